package outbox

import (
	"bytes"
	"context"
	"math/big"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestRecordsOfOtherVersions: what another version wrote is not guessed.
func TestRecordsOfOtherVersions(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "k")
	err := w.records.EachRecord(t.Context(), "", func(key string, value []byte) error {
		for _, change := range [][2]string{
			{`"version":1`, `"version":2`}, {`"version":1`, `"version":1,"colour":"blue"`}, {`"unsure"`, `"doubtful"`}, {`"done"`, `"halfway"`}, {`}`, `} {}`},
		} {
			other := strings.Replace(string(value), change[0], change[1], 1)
			if other == string(value) {
				continue
			}
			cfg := w.cfg
			cfg.Records = changed{w.records, key, []byte(other)}
			if _, err := New(t.Context(), cfg); err == nil {
				t.Errorf("%s: %s is read", key, other)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// changed are records of which one is another.
type changed struct {
	rules.Records
	key   string
	value []byte
}

func (c changed) EachRecord(ctx context.Context, prefix string, do func(string, []byte) error) error {
	var keys []string
	values := make(map[string][]byte)
	err := c.Records.EachRecord(ctx, prefix, func(key string, value []byte) error {
		keys = append(keys, key)
		values[key] = value
		return nil
	})
	for _, key := range keys {
		if key == c.key {
			values[key] = c.value
		}
		if err == nil {
			err = do(key, values[key])
		}
	}
	return err
}

// FuzzRecord: what is read is written as it was, and nothing crashes.
func FuzzRecord(f *testing.F) {
	w := newWorld(f, nil)
	w.mustSend(f, w.transfer(f, 1), "k")
	d, err := w.draftOf(f.Context(), w.transfer(f, 2))
	if err != nil {
		f.Fatal(err)
	}
	w.park(f.Context(), d, 1)
	err = w.records.EachRecord(f.Context(), "", func(key string, value []byte) error {
		f.Add(key, value)
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		_, _ = decodeClaim(key, value)
		_, _ = decodeLane(key, value)
		_, _ = laneOf(key)
		fuzzDraft(t, w, key, value)
		r, err := decodeRecord(key, value)
		if err != nil {
			return
		}
		written, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(key, written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if second, err := again.encode(); err != nil || !bytes.Equal(second, written) {
			t.Fatalf("%s becomes %s, %v", written, second, err)
		}
	})
}

// fuzzDraft fills a request in as a draft says, whatever that is.
func fuzzDraft(t *testing.T, w *world, key string, value []byte) {
	t.Helper()
	r, err := decodeParked(key, value)
	if err != nil {
		return
	}
	given := w.transfer(t, 2)
	_, _ = w.stillGood(t.Context(), r, given)
	d, err := w.fill(t.Context(), given, &r.Filled)
	if err != nil {
		return
	}
	if args, _ := d.at(r.Nonce); args.From != given.From || args.To.Address() != given.To.Address() || (*big.Int)(&args.Value).Cmp(given.Value.ToInt()) != 0 {
		t.Fatalf("%s changes what was given", value)
	}
	written, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decodeParked(key, written); err != nil || !again.says(r) {
		t.Fatalf("%s: %v", written, err)
	}
}
