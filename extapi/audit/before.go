package audit

import "fmt"

// Before is how far another log had come that a signer wrote before it began to write this
// one. A state that relied on that log finds from here what is in both. It is never cut.
type Before struct {
	Log  string `json:"log"` // absolute path
	Seq  uint64 `json:"seq"` // of its last entry that was known
	Hash string `json:"hash"`
}

// MaxBeforeLog is how many bytes the path of a log before may have.
const MaxBeforeLog = 4 << 10

// Check refuses what would not be read back as it is.
func (b *Before) Check() error {
	switch {
	case b == nil:
		return nil
	case b.Log == "" || bound(b.Log, MaxBeforeLog) != b.Log:
		return fmt.Errorf("the path of the audit log before, %.100q, has more than %d bytes, or characters that can't be shown", b.Log, MaxBeforeLog)
	case b.Seq == 0 || !isHash(b.Hash):
		return fmt.Errorf("the audit log before had no entry %d with the hash %.64q", b.Seq, b.Hash)
	}
	return nil
}
