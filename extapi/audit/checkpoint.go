package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// checkpointDomain keeps the signature apart from everything else that a key
// may sign: no transaction, message or typed data begins with it.
const checkpointDomain = "kvclef audit checkpoint 1\n"

// maxCheckpoint is more than a checkpoint's JSON has, in bytes.
const maxCheckpoint = 4096

// CheckpointDigest is what the signature of a checkpoint signs: the Keccak-256
// of a text with the entry's number in decimal and its hash in 64 hexadecimal
// digits, a line each.
func CheckpointDigest(seq uint64, head string) common.Hash {
	return crypto.Keccak256Hash(fmt.Appendf(nil, "%s%d\n%s\n", checkpointDomain, seq, head))
}

// Verify checks that the checkpoint is well-formed and signed by the key that
// it names. Whose key that is, is for the caller to know.
func (c Checkpoint) Verify() error {
	if c.Seq == 0 || !isHash(c.Head) {
		return fmt.Errorf("a checkpoint of entry %d with the hash %.64q can't be", c.Seq, c.Head)
	}
	signature, err := hexutil.Decode(c.Signature)
	if err != nil || len(signature) != crypto.SignatureLength {
		return fmt.Errorf("the checkpoint of entry %d has no signature of %d bytes", c.Seq, crypto.SignatureLength)
	}
	digest := CheckpointDigest(c.Seq, c.Head)
	key, err := crypto.SigToPub(digest[:], signature)
	if err != nil {
		return fmt.Errorf("the signature of the checkpoint of entry %d is of nobody: %w", c.Seq, err)
	}
	if signer := crypto.PubkeyToAddress(*key).Hex(); signer != c.Key {
		return fmt.Errorf("the checkpoint of entry %d names the key %.64q, but is signed by %s", c.Seq, c.Key, signer)
	}
	return nil
}

// ParseCheckpoint reads a checkpoint that was kept elsewhere: its JSON, or
// SEQ:HASH, which has no signature and is trusted for where it was kept.
func ParseCheckpoint(text string) (Checkpoint, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		c, err := decodeCheckpoint([]byte(text))
		if err != nil {
			return Checkpoint{}, fmt.Errorf("reading a checkpoint: %w", err)
		}
		return c, nil
	}
	number, hash, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 || !isHash(hash) {
		return Checkpoint{}, fmt.Errorf("reading a checkpoint: %.100q is neither JSON nor SEQ:HASH, such as 4711:%s", text, zeroHash)
	}
	return Checkpoint{Seq: seq, Head: hash}, nil
}

// decodeCheckpoint reads the JSON of a checkpoint, which must be signed.
func decodeCheckpoint(text []byte) (Checkpoint, error) {
	if len(text) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("it has more than %d bytes", maxCheckpoint)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var c Checkpoint
	if err := decoder.Decode(&c); err != nil {
		return Checkpoint{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Checkpoint{}, errors.New("more follows it")
	}
	return c, c.Verify()
}

// readCheckpoint reads the newest checkpoint, if there is one.
func readCheckpoint(name string) (Checkpoint, bool, error) {
	if err := regular(name); err != nil {
		return Checkpoint{}, false, err
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, false, nil
	}
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("opening the audit log's checkpoint: %w", err)
	}
	defer func() { _ = f.Close() }() // it is only read
	text, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("reading %s: %w", name, err)
	}
	c, err := decodeCheckpoint(text)
	if err != nil {
		return Checkpoint{}, false, &DamageError{File: name, Problem: "the checkpoint can't be used: " + err.Error()}
	}
	return c, true, nil
}

// writeCheckpoint takes the place of the newest checkpoint, durably.
func writeCheckpoint(name string, c Checkpoint, hook func(string)) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	temporary := name + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing the audit log's checkpoint: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the audit log's checkpoint: %w", err)
	}
	hook(PointCheckpointTemp)
	if err := errors.Join(os.Rename(temporary, name), syncDir(filepath.Dir(name))); err != nil {
		return fmt.Errorf("writing the audit log's checkpoint: %w", err)
	}
	return nil
}

// holds checks that the chain has the entry that a checkpoint covers; entries
// are of the active segment. It may have been moved away since, where none was signed
// for long.
func (l *Log) holds(ctx context.Context, c Checkpoint, entries map[uint64]link, firsts []uint64) error {
	at, err := l.at(ctx, c.Seq, entries, firsts)
	switch {
	case err != nil:
		return err
	case at.seq == 0 && l.begins(c.Seq, firsts):
		l.options.Logger.Warn("Audit log begins after the entry that the checkpoint beside it covers: its segment was moved away",
			"path", l.path, "entry", c.Seq, "hash", c.Head, "last_entry", l.head.seq)
		return nil
	case at.seq == 0:
		return missing(l.path, c, l.head.seq)
	case at.hash != c.Head:
		return rewritten(l.path, c, at)
	}
	return nil
}

// at returns the entry with a number, zero if it is not there.
func (l *Log) at(ctx context.Context, seq uint64, entries map[uint64]link, firsts []uint64) (link, error) {
	if entry, ok := entries[seq]; ok || seq > l.head.seq {
		return entry, nil
	}
	return find(ctx, l.path, firsts, seq)
}

// find looks for an entry in the full segment that should have it.
func find(ctx context.Context, path string, firsts []uint64, seq uint64) (link, error) {
	i := len(firsts) - len(after(firsts, seq)) - 1
	if i < 0 {
		return link{}, nil
	}
	name := segmentName(path, firsts[i])
	f, err := os.Open(name)
	if err != nil {
		return link{}, fmt.Errorf("opening a segment of the audit log: %w", err)
	}
	defer func() { _ = f.Close() }() // it is only read
	s := newScanner(f, name, link{seq: firsts[i] - 1}, true)
	for {
		if err := ctx.Err(); err != nil {
			return link{}, fmt.Errorf("reading the audit log: %w", err)
		}
		record, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return link{}, nil
		case errors.Is(err, errUnfinished):
			return link{}, s.damage("a full segment ends with an unfinished line")
		case err != nil:
			return link{}, err
		case record.Entry.Seq == seq:
			return s.last, nil
		}
	}
}

// missing says that entries are gone.
func missing(path string, c Checkpoint, head uint64) error {
	return &DamageError{File: path, Seq: c.Seq, Problem: fmt.Sprintf(
		"a checkpoint covers entry %d, which is not here (the last entry is %d): the log was cut, or segments were taken away; bring them back", c.Seq, head)}
}

// rewritten says that an entry is not the one that was signed.
func rewritten(path string, c Checkpoint, at link) error {
	return &DamageError{File: path, Seq: c.Seq, Problem: fmt.Sprintf(
		"a checkpoint covers entry %d with the hash %s, but it has %s: the log was rewritten", c.Seq, c.Head, at.hash)}
}
