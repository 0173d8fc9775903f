package audit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// signer signs with a key in memory, as a vault does with its own.
func signer(key *ecdsa.PrivateKey) func(context.Context, common.Hash) ([65]byte, error) {
	return func(_ context.Context, digest common.Hash) (signature [65]byte, err error) {
		raw, err := crypto.Sign(digest[:], key)
		copy(signature[:], raw)
		return signature, err
	}
}

func newKey(t testing.TB) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

// checkpointed is a log of n entries in several segments, a checkpoint after
// every third, and the address that signed them.
func checkpointed(t testing.TB, n int) (string, common.Address) {
	t.Helper()
	key, address := newKey(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{MaxBytes: 4000})
	c := StartCheckpointer(t.Context(), l, CheckpointerOptions{Sign: signer(key), Key: address, Interval: time.Hour, EveryEntries: 1 << 40})
	for i := range n {
		appendAll(t, l, decision(i))
		if i%3 == 2 {
			if err := c.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	return path, address
}

func TestCheckpointDigest(t *testing.T) {
	t.Parallel()
	// Computed by another implementation of Keccak-256, over
	// "kvclef audit checkpoint 1\n4711\n0f0f…0f\n".
	const want = "0x6e4d13ce07adf510c4f4b6afad33044792309362d11a05379376148344ff0141"
	if got := CheckpointDigest(4711, strings.Repeat("0f", 32)); got.Hex() != want {
		t.Errorf("%v", got)
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	path, address := checkpointed(t, 10) // 10 entries and 4 checkpoints: after 3, 6, 9 and at the end
	report := verify(t, path, VerifyOptions{Keys: []common.Address{{}, address}})
	if report.Events[EventCheckpoint] != 4 || report.Checkpoint.Seq != 13 || report.AfterCheckpoint != 1 || fmt.Sprint(report.Keys) != "["+address.Hex()+"]" {
		t.Errorf("%+v, %+v", report, report.Checkpoint)
	}
	closeLog(t, open(t, path, Options{}))
	verify(t, path, VerifyOptions{Checkpoints: []Checkpoint{
		*report.Checkpoint, {Seq: 13, Head: report.Checkpoint.Head}, {Seq: 14, Head: report.Head},
	}})
	if found := damage(t, path, VerifyOptions{Keys: []common.Address{{1}}}); !strings.Contains(found.Problem, "which is not a checkpoint key") {
		t.Errorf("%v", found)
	}
	if found := damage(t, path, VerifyOptions{Checkpoints: []Checkpoint{{Seq: 5, Head: zeroHash}}}); found.Seq != 5 {
		t.Errorf("%v", found)
	}
	if found := damage(t, path, VerifyOptions{Checkpoints: []Checkpoint{{Seq: 15, Head: zeroHash}}}); found.Seq != 15 {
		t.Errorf("%v", found)
	}
	if _, err := Verify(t.Context(), path, VerifyOptions{Start: 5, Checkpoints: []Checkpoint{{Seq: 4, Head: zeroHash}}}); err == nil {
		t.Error("a checkpoint before the start was taken")
	}
}

// What was cut off the end is found as far as a checkpoint covers it, by the
// check and by the next start.
func TestCutAtTheEndIsFound(t *testing.T) {
	t.Parallel()
	original, _ := checkpointed(t, 12)
	last := verify(t, original, VerifyOptions{}).Last
	checkpoint, _, err := readCheckpoint(original + checkpointSuffix)
	if err != nil || checkpoint.Seq != last-1 {
		t.Fatalf("%+v of %d, %v", checkpoint, last, err)
	}
	for keep := range last {
		path := copyLog(t, original)
		for seq, names := uint64(0), files(t, path); len(names) > 0; names = names[1:] {
			all := lines(readFile(t, names[0]))
			kept := min(uint64(len(all)), keep-min(keep, seq))
			seq += uint64(len(all))
			if kept == uint64(len(all)) {
				continue
			}
			writeFile(t, names[0], []byte(strings.Join(all[:kept], "")))
			if kept == 0 {
				remove(t, names[0])
			}
		}
		_, checkErr := Verify(t.Context(), path, VerifyOptions{patience: 1})
		l, openErr := tryOpen(t, path, Options{})
		if keep == last-1 { // only the checkpoint's own entry is gone
			if checkErr != nil || openErr != nil {
				t.Errorf("%d entries: %v, %v", keep, checkErr, openErr)
			}
			closeLog(t, l)
			continue
		}
		if checkErr == nil || openErr == nil {
			t.Errorf("%d of %d entries: not found: %v, %v", keep, last, checkErr, openErr)
			continue
		}
		// Even if the file is gone, a checkpoint from elsewhere finds it.
		remove(t, path+checkpointSuffix)
		if keep > 0 {
			damage(t, path, VerifyOptions{Checkpoints: []Checkpoint{checkpoint}})
		}
	}
}

// A log that was written anew does not hold the old one's checkpoint.
func TestRewrittenLogIsFound(t *testing.T) {
	t.Parallel()
	path, _ := checkpointed(t, 12)
	checkpoint := readFile(t, path+checkpointSuffix)
	for name, n := range map[string]int{"longer": 40, "as long": 16, "shorter": 2, "in the active segment": 17} {
		other := write(t, n, Options{MaxBytes: 4000})
		writeFile(t, other+checkpointSuffix, checkpoint)
		var found *DamageError
		if _, err := tryOpen(t, other, Options{}); !errors.As(err, &found) || found.Seq != 15 {
			t.Errorf("%s: %v", name, err)
		}
		damage(t, other, VerifyOptions{})
	}
}

func TestCheckpointFileSpoilt(t *testing.T) {
	t.Parallel()
	path, _ := checkpointed(t, 3)
	text := readFile(t, path+checkpointSuffix)
	for i := range text[:len(text)-1] {
		if at := bytes.Index(text, []byte(`"time"`)); i >= at && i < at+len(`"time":"2026-11-25T19:30:00.123456Z"`) {
			continue // the time is not signed: the entries have it
		}
		put(t, path+checkpointSuffix, int64(i), text[i]^1)
		if _, err := tryOpen(t, path, Options{}); err == nil {
			t.Errorf("byte %d: opened", i)
		}
		damage(t, path, VerifyOptions{})
		put(t, path+checkpointSuffix, int64(i), text[i])
	}
	closeLog(t, open(t, path, Options{}))
}

// A checkpoint in the chain that covers something else is damage, though every
// hash is right: whoever wrote it could write the log, and had no key.
func TestForgedCheckpointInTheChain(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	for name, forge := range map[string]func(*Checkpoint){
		"other head":    func(c *Checkpoint) { c.Head = zeroHash },
		"itself":        func(c *Checkpoint) { c.Seq = 3 },
		"future":        func(c *Checkpoint) { c.Seq = 1 << 40 },
		"other entry":   func(c *Checkpoint) { c.Seq = 1 },
		"not signed":    func(c *Checkpoint) { c.Signature = "" },
		"other signer":  func(c *Checkpoint) { c.Key = common.Address{1}.Hex() },
		"other digits":  func(c *Checkpoint) { c.Key = strings.ToLower(c.Key) },
		"no signature":  func(c *Checkpoint) { c.Signature = "0x" + strings.Repeat("00", 65) },
		"no checkpoint": nil,
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		l := open(t, path, Options{})
		appendAll(t, l, decision(1), decision(2))
		seq, head := l.Head()
		c := Checkpoint{Seq: seq, Head: head, Time: steady(), Key: address.Hex()}
		entry := Entry{Event: EventCheckpoint}
		if forge != nil {
			if name == "other head" || name == "itself" || name == "future" || name == "other entry" {
				forge(&c)
			}
			signature, err := signer(key)(t.Context(), CheckpointDigest(c.Seq, c.Head))
			if err != nil {
				t.Fatal(err)
			}
			c.Signature = fmt.Sprintf("%#x", signature)
			forge(&c)
			entry.Checkpoint = &c
		}
		appendAll(t, l, entry)
		closeLog(t, l)
		if found := damage(t, path, VerifyOptions{}); found.Line != 3 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// Checkpoints are made by number and by time, without being asked for.
func TestCheckpointerRuns(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]CheckpointerOptions{
		"by number": {EveryEntries: 5, Interval: time.Hour},
		"by time":   {EveryEntries: 1 << 40, Interval: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, address := newKey(t)
			made := make(chan struct{}, 1000)
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, path, Options{Hook: func(point string) {
				if point == PointCheckpointTemp {
					made <- struct{}{}
				}
			}})
			var text bytes.Buffer
			options.Sign, options.Key, options.Logger = signer(key), address, slog.New(slog.NewJSONHandler(&text, nil))
			c := StartCheckpointer(t.Context(), l, options)
			for range 3 {
				for i := range 6 {
					appendAll(t, l, decision(i))
				}
				<-made
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
			report := verify(t, path, VerifyOptions{Keys: []common.Address{address}})
			if n := report.Events[EventCheckpoint]; n < 3 || report.AfterCheckpoint > 1 {
				t.Errorf("%+v", report)
			}
			// The ordinary log has them in a form that the check takes.
			first, _, _ := strings.Cut(text.String(), "\n")
			var fields struct {
				Msg, Head string
				Seq       uint64
			}
			if err := json.Unmarshal([]byte(first), &fields); err != nil || fields.Msg != "Audit log checkpointed" {
				t.Fatalf("%s: %v", first, err)
			}
			given, err := ParseCheckpoint(fmt.Sprintf("%d:%s", fields.Seq, fields.Head))
			if err != nil {
				t.Fatal(err)
			}
			verify(t, path, VerifyOptions{Checkpoints: []Checkpoint{given}})
		})
	}
}

// A log at rest is not signed again and again.
func TestNothingNewIsNotCheckpointed(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	var signed atomic.Int64
	options := CheckpointerOptions{Interval: time.Hour, Key: address, Sign: func(ctx context.Context, digest common.Hash) ([65]byte, error) {
		signed.Add(1)
		return signer(key)(ctx, digest)
	}}
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 3 {
		l := open(t, path, Options{})
		if seq, _ := l.Head(); seq == 0 {
			c := StartCheckpointer(t.Context(), l, options)
			if err := c.Close(t.Context()); err != nil || signed.Load() > 0 {
				t.Fatalf("an empty log: %v", err)
			}
			appendAll(t, l, decision(1))
		}
		c := StartCheckpointer(t.Context(), l, options)
		for range 3 {
			if err := c.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
	}
	if signed.Load() != 1 {
		t.Errorf("signed %d times", signed.Load())
	}
}

// A signer of checkpoints that fails in any way stops nobody, and the next try
// works.
func TestFailingCheckpoints(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	for name, c := range map[string]struct {
		sign func(context.Context, common.Hash) ([65]byte, error)
		want string
	}{
		"error":   {func(context.Context, common.Hash) ([65]byte, error) { return [65]byte{}, errors.New("vault down") }, "vault down"},
		"nothing": {func(context.Context, common.Hash) ([65]byte, error) { return [65]byte{}, nil }, "of nobody"},
		"other digest": {func(ctx context.Context, _ common.Hash) ([65]byte, error) {
			return signer(key)(ctx, common.Hash{1})
		}, "but is signed by"},
		"panic": {func(context.Context, common.Hash) ([65]byte, error) { panic("oh") }, "crashed"},
		"hangs": {func(ctx context.Context, _ common.Hash) ([65]byte, error) {
			<-ctx.Done()
			return [65]byte{}, ctx.Err()
		}, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, path, Options{})
			fail := true
			check := StartCheckpointer(t.Context(), l, CheckpointerOptions{Interval: time.Hour, Timeout: 100 * time.Millisecond, Key: address, Sign: func(ctx context.Context, digest common.Hash) ([65]byte, error) {
				if fail {
					return c.sign(ctx, digest)
				}
				return signer(key)(ctx, digest)
			}})
			appendAll(t, l, decision(1))
			if err := check.Checkpoint(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(path + checkpointSuffix); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a checkpoint was written: %v", err)
			}
			appendAll(t, l, decision(2))
			fail = false
			if err := check.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
			if report := verify(t, path, VerifyOptions{}); report.Entries != 3 || report.AfterCheckpoint != 1 {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestParseCheckpoint(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"1:" + zeroHash: true,
		" 18446744073709551615:" + zeroHash + "\n": true,
		"0:" + zeroHash:                false,
		"-1:" + zeroHash:               false,
		"1:" + zeroHash[1:]:            false,
		"1:" + strings.Repeat("G", 64): false,
		"1":                            false,
		"":                             false,
		"{}":                           false,
		"{":                            false,
		`{"seq":1} x`:                  false,
	} {
		if _, err := ParseCheckpoint(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	path, _ := checkpointed(t, 2)
	text := string(readFile(t, path+checkpointSuffix))
	if c, err := ParseCheckpoint(text); err != nil || c.Seq != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{text + text, strings.Replace(text, `"seq":2`, `"seq":1`, 1), strings.Replace(text, `"seq"`, `"more":1,"seq"`, 1), "{" + strings.Repeat(" ", maxCheckpoint) + text[1:]} {
		if _, err := ParseCheckpoint(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	path, _ := checkpointed(f, 2)
	f.Add(string(readFile(f, path+checkpointSuffix)))
	f.Add("7:" + zeroHash)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheckpoint(text)
		if err == nil && (c.Seq == 0 || !isHash(c.Head) || (c.Signature != "" && c.Verify() != nil)) {
			t.Errorf("%q was taken as %+v", text, c)
		}
	})
}
