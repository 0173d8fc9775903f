//go:build linux || darwin

package bolt_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestHoldOfADamagedCounter: where a counter can't be read any more, as when the disk spoils
// it under an open store, nothing is held, and that is an error.
func TestHoldOfADamagedCounter(t *testing.T) {
	const name = "daily/value/of-the-treasury"
	path := newFile(t)
	store := open(t, path, bolt.Options{Clock: noon})
	_, err := store.Hold(t.Context(), []rules.Charge{charge(name, 5, 9)})
	ok(t, err)

	// A counter is its name, its total of 32 bytes, and the number of its charges.
	counter := append([]byte(name), make([]byte, 40)...)
	counter[len(name)+31], counter[len(name)+39] = 5, 1
	data, err := os.ReadFile(path)
	ok(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	ok(t, err)
	spoilt := 0
	for at := 0; ; spoilt++ {
		next := bytes.Index(data[at:], counter)
		if next < 0 {
			break
		}
		at += next + len(counter)
		_, err := f.WriteAt([]byte{0}, int64(at-1)) // a counter has charges
		ok(t, err)
	}
	ok(t, f.Close())
	if spoilt == 0 {
		t.Fatal("the counter is not found: this shows nothing")
	}

	if id, err := store.Hold(t.Context(), []rules.Charge{charge(name, 5, 9)}); err == nil || id != 0 {
		t.Errorf("held as %d: %v", id, err)
	}
	if id, reservation, err := store.Reserve(t.Context(), []rules.Charge{charge(name, 1, 9)}); err == nil || id != 0 || reservation != nil {
		t.Errorf("reserved as %d: %+v, %v", id, reservation, err)
	}
}
