package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// VerifyOptions of a check. The zero value is good.
type VerifyOptions struct {
	// Start is the number of the first entry there is, where older segments are
	// kept elsewhere; 0 is 1.
	Start uint64

	// Checkpoints were kept elsewhere, see [ParseCheckpoint]. The one beside the
	// log and those in it are checked without being named here.
	Checkpoints []Checkpoint

	// Keys are the addresses that checkpoints may be signed with. If there are
	// none, any key will do: a signature then proves nothing, and the report's
	// Keys are for a person to judge.
	Keys []common.Address

	// Progress is called now and then with what was found so far, to show that
	// work goes on. Nil is nobody.
	Progress func(Report)

	// Entry is called for each entry that is sound, in order, to look at what it
	// says. Nil is nobody.
	Entry func(Entry)

	patience time.Duration // for tests; 0 is the usual
}

// progressEvery is the number of entries between two calls of Progress.
const progressEvery = 1 << 13

// recent is how many of the last hashes are kept, to compare with checkpoints
// that come into the chain after what they cover.
const recent = 1 << 16

// Verify reads the log at path, all segments in order, and finds whether it is
// what was written: every change, removal, insertion and reordering is a
// [*DamageError], with the report of what is before it. A removal at the end is
// found if a checkpoint covers what was removed.
//
// It changes nothing and takes no lock: a signer may be writing.
func Verify(ctx context.Context, path string, options VerifyOptions) (Report, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Report{}, fmt.Errorf("checking the audit log: %w", err)
	}
	if options.Start == 0 {
		options.Start = 1
	}
	if options.patience == 0 {
		options.patience = patience
	}
	v := verifier{
		path: path, options: options,
		report: Report{Events: map[Event]uint64{}, Head: zeroHash},
		open:   openRequests{number: map[string]uint64{}},
	}
	// The journal and the newest checkpoint are read first: what they have is there already.
	v.readJournal()
	if err := v.expect(); err != nil {
		return v.report, err
	}
	r, err := newReader(path, 0, options.Start, options.patience)
	if err != nil {
		return v.report, err
	}
	defer r.close()
	for err == nil {
		var record Record
		if record, err = r.next(ctx); err == nil {
			err = v.add(record)
		}
	}
	v.report.Segments, v.report.Bytes = r.opened, r.bytes
	if errors.Is(err, errUnfinished) {
		err = r.scan.damage("the last line is unfinished: a crash left it, or the log was cut; the signer cuts off and records what a crash left when it starts")
	}
	if errors.Is(err, io.EOF) {
		err = cmp.Or(v.journalErr, Behind(path, v.report.Last, v.journaled), v.missed())
	}
	return v.finish(), withJournal(path, err)
}

// withJournal adds to what is wrong with a log that this may be what the next start mends.
func withJournal(path string, err error) error {
	var damage *DamageError
	if Crashed(path) && errors.As(err, &damage) {
		damage.Problem += "; its journal lies beside it: unless a signer is writing the log, it ended in a crash, and is to be started before the end of the log is judged"
	}
	return err
}

// verifier is a check under way.
type verifier struct {
	path     string
	options  VerifyOptions
	report   Report
	open     openRequests
	expected []Checkpoint // still to be met, in order

	journaled  uint64 // the newest entry of the journal
	journalErr error  // of reading that

	hashes []string // of the last entries; entry n is at (n - start) % recent
}

// readJournal finds what the log must have in the end, if that can be seen.
func (v *verifier) readJournal() {
	v.journaled, v.journalErr = Journaled(v.path)
	if errors.Is(v.journalErr, fs.ErrPermission) {
		v.report.JournalUnread, v.journalErr = v.journalErr.Error(), nil
	}
}

// expect collects the checkpoints that the chain must hold.
func (v *verifier) expect() error {
	beside, found, err := readCheckpoint(v.path + checkpointSuffix)
	if err != nil {
		return err
	}
	if found {
		if err := v.trusted(beside); err != nil {
			return &DamageError{File: v.path + checkpointSuffix, Seq: beside.Seq, Problem: err.Error()}
		}
		if beside.Seq < v.options.Start {
			v.report.Before = &beside // none was signed since
		} else {
			v.expected = append(v.expected, beside)
		}
	}
	for _, c := range v.options.Checkpoints {
		if c.Signature != "" || c.Key != "" {
			if err := v.trusted(c); err != nil {
				return fmt.Errorf("checking a given checkpoint: %w", err)
			}
		}
		if c.Seq < v.options.Start {
			return fmt.Errorf("checking a given checkpoint: it covers entry %d, and the check starts at %d", c.Seq, v.options.Start)
		}
		v.expected = append(v.expected, c)
	}
	slices.SortStableFunc(v.expected, func(a, b Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
	return nil
}

// trusted checks a checkpoint's signature, and that its key may sign them.
func (v *verifier) trusted(c Checkpoint) error {
	if err := c.Verify(); err != nil {
		return err
	}
	if len(v.options.Keys) > 0 && !slices.Contains(v.options.Keys, common.HexToAddress(c.Key)) {
		return fmt.Errorf("the checkpoint of entry %d is signed by %s, which is not a checkpoint key", c.Seq, c.Key)
	}
	return nil
}

// add takes the next entry in.
func (v *verifier) add(record Record) error {
	e, damage := record.Entry, func(problem string) error {
		return &DamageError{File: record.File, Line: record.Line, Offset: record.Offset, Seq: record.Entry.Seq, Problem: problem}
	}
	if v.report.Entries == 0 {
		if e.Seq != v.options.Start {
			return damage(fmt.Sprintf("the log begins with entry %d, not %d: bring back the older segments, or check from there with --start if they are kept elsewhere", e.Seq, v.options.Start))
		}
		v.report.First, v.report.FirstTime = e.Seq, e.Time
	}
	v.report.Entries++
	v.report.Last, v.report.LastTime, v.report.Head = e.Seq, e.Time, record.Hash
	v.report.Events[e.Event]++
	if i := (e.Seq - v.options.Start) % recent; i < uint64(len(v.hashes)) {
		v.hashes[i] = record.Hash
	} else {
		v.hashes = append(v.hashes, record.Hash)
	}
	v.open.add(e)
	if v.options.Entry != nil {
		v.options.Entry(e)
	}
	if v.options.Progress != nil && v.report.Entries%progressEvery == 0 {
		v.options.Progress(v.report)
	}
	for len(v.expected) > 0 && v.expected[0].Seq == e.Seq {
		c := v.expected[0]
		v.expected = v.expected[1:]
		if c.Head != record.Hash {
			return rewritten(record.File, c, link{seq: e.Seq, hash: record.Hash})
		}
		v.met(c)
	}
	if e.Event == EventCheckpoint {
		if err := v.inChain(e); err != nil {
			return damage(err.Error())
		}
	}
	return nil
}

// inChain checks a checkpoint that is an entry.
func (v *verifier) inChain(e Entry) error {
	if e.Checkpoint == nil {
		return errors.New("the entry has no checkpoint")
	}
	c := *e.Checkpoint
	if err := v.trusted(c); err != nil {
		return err
	}
	if c.Seq < v.options.Start {
		return nil // about what is kept elsewhere
	}
	if c.Seq >= e.Seq || e.Seq-c.Seq >= recent {
		return fmt.Errorf("the entry can't have a checkpoint of entry %d", c.Seq)
	}
	if is := v.hashes[(c.Seq-v.options.Start)%recent]; is != c.Head {
		return fmt.Errorf("the checkpoint covers entry %d with the hash %s, but it has %s", c.Seq, c.Head, is)
	}
	v.met(c)
	return nil
}

// met takes a checkpoint into the report.
func (v *verifier) met(c Checkpoint) {
	if v.report.Checkpoint == nil || v.report.Checkpoint.Seq < c.Seq || (v.report.Checkpoint.Seq == c.Seq && v.report.Checkpoint.Signature == "") {
		v.report.Checkpoint = &c
	}
	if c.Key != "" && !slices.Contains(v.report.Keys, c.Key) {
		v.report.Keys = append(v.report.Keys, c.Key)
	}
}

// missed returns an error for a checkpoint that the chain should have met.
func (v *verifier) missed() error {
	if len(v.expected) == 0 {
		return nil
	}
	return missing(v.path, v.expected[0], v.report.Last)
}

// finish completes the report.
func (v *verifier) finish() Report {
	v.report.Open = uint64(len(v.open.number)) + v.open.more
	ids := slices.SortedFunc(maps.Keys(v.open.number), func(a, b string) int { return cmp.Compare(v.open.number[a], v.open.number[b]) })
	v.report.OpenListed = ids[:min(len(ids), maxOpenListed)]
	if c := v.report.Checkpoint; c != nil {
		v.report.AfterCheckpoint = v.report.Last - c.Seq
	}
	return v.report
}
