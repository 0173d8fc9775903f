package audit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// The checkpoint beside a log is met where the check starts with the entry that it covers.
func TestCheckpointOfTheStart(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	path := write(t, 3, Options{MaxBytes: 1})
	l := open(t, path, Options{MaxBytes: 1})
	c := StartCheckpointer(t.Context(), l, CheckpointerOptions{Sign: signer(key), Key: address, Interval: time.Hour, EveryEntries: 1 << 40})
	if err := errors.Join(c.Checkpoint(t.Context()), c.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	other := write(t, 4, Options{MaxBytes: 1})
	writeFile(t, other+checkpointSuffix, readFile(t, path+checkpointSuffix))
	for _, path := range []string{path, other} {
		remove(t, segmentName(path, 1))
		remove(t, segmentName(path, 2))
	}
	if report := verify(t, path, VerifyOptions{Start: 3}); report.Before != nil || report.Checkpoint == nil || report.Checkpoint.Seq != 3 || report.AfterCheckpoint != 1 {
		t.Errorf("%+v", report)
	}
	if found := damage(t, other, VerifyOptions{Start: 3}); found.Seq != 3 {
		t.Errorf("another log: %v", found)
	}
}

// A checkpoint in a long chain is compared with what it covers, also where more hashes were
// seen than are kept.
func TestCheckpointInALongChain(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	v := verifier{options: VerifyOptions{Start: 1}, report: Report{Events: map[Event]uint64{}}, open: openRequests{number: map[string]uint64{}}}
	hash := func(seq uint64) string { return fmt.Sprintf("%064x", seq) }
	for seq := range uint64(recent + 9) {
		if err := v.add(Record{Entry: Entry{Seq: seq + 1, Event: EventStart}, Hash: hash(seq + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for covers, is := range map[uint64]bool{recent + 9: true, recent + 8: true, 11: true, 10: false, 9: false} {
		signature, err := signer(key)(t.Context(), CheckpointDigest(covers, hash(covers)))
		if err != nil {
			t.Fatal(err)
		}
		c := Checkpoint{Seq: covers, Head: hash(covers), Time: steady(), Key: address.Hex(), Signature: fmt.Sprintf("%#x", signature)}
		if err := v.inChain(Entry{Seq: recent + 10, Event: EventCheckpoint, Checkpoint: &c}); (err == nil) != is {
			t.Errorf("of entry %d: %v", covers, err)
		}
	}
}

// The checkpoint beside a log is signed by a checkpoint key, though it covers what is there.
func TestCheckpointOfAnotherKey(t *testing.T) {
	t.Parallel()
	path, address := checkpointed(t, 3)
	beside, _, err := readCheckpoint(path + checkpointSuffix)
	if err != nil {
		t.Fatal(err)
	}
	key, other := newKey(t)
	signature, err := signer(key)(t.Context(), CheckpointDigest(beside.Seq, beside.Head))
	if err != nil {
		t.Fatal(err)
	}
	beside.Key, beside.Signature = other.Hex(), fmt.Sprintf("%#x", signature)
	if err := writeCheckpoint(path+checkpointSuffix, beside, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if found := damage(t, path, VerifyOptions{Keys: []common.Address{address}}); found.File != path+checkpointSuffix || found.Seq != beside.Seq {
		t.Errorf("%v", found)
	}
	verify(t, path, VerifyOptions{Keys: []common.Address{address, other}})
}

// A given checkpoint that names a key is signed by it, and one that is signed names its key.
func TestCheckpointHalfSigned(t *testing.T) {
	t.Parallel()
	path, _ := checkpointed(t, 3)
	whole := verify(t, path, VerifyOptions{}).Checkpoint
	for _, c := range []Checkpoint{{Key: whole.Key}, {Signature: whole.Signature}} {
		c.Seq, c.Head = whole.Seq, whole.Head
		if _, err := Verify(t.Context(), path, VerifyOptions{Checkpoints: []Checkpoint{c}}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
