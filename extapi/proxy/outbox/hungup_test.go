package outbox

import (
	"context"
	"errors"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestSignedIsSentWithoutItsCaller: once it is signed, a transaction is kept and handed to
// the node, though its caller hangs up before it has the signature.
func TestSignedIsSentWithoutItsCaller(t *testing.T) {
	for _, key := range []string{"", "k"} {
		ctx, hangUp := context.WithCancel(t.Context())
		w := newWorld(t, nil)
		w.vault.fail = func() error { hangUp(); return nil }
		hash, err := w.Send(ctx, w.transfer(t, 1), key)
		if err != nil || w.node.pooled() != 1 {
			t.Errorf("with %q: %v, %d wait at the node", key, err, w.node.pooled())
		}
		w.wantState(t, hash, StateSent)
	}
}

// TestKeyIsGivenBackWithoutItsCaller: a key for which nothing was signed is free again, also
// after a restart, though its caller has hung up meanwhile.
func TestKeyIsGivenBackWithoutItsCaller(t *testing.T) {
	for _, lies := range []bool{false, true} {
		ctx, hangUp := context.WithCancel(t.Context())
		store := &leaves{lies: lies, hangUp: hangUp}
		w := newWorld(t, func(w *world) { store.Records, w.records = w.records, store })
		w.vault.deny = func(*rules.Request) bool { hangUp(); return true }
		if _, err := w.Send(ctx, w.transfer(t, 1), "k"); err == nil || ctx.Err() == nil || w.vault.signatures() != 0 {
			t.Fatalf("lies %v: %v", lies, err)
		}
		w.vault.set(func(v *vault) { v.deny = nil })
		w.restart(t)
		if _, err := w.Send(t.Context(), w.transfer(t, 1), "k"); err != nil {
			t.Errorf("lies %v: %v", lies, err)
		}
	}
}

// leaves are records that may say of a change that it failed, though they made it, when the
// caller hangs up.
type leaves struct {
	rules.Records
	lies   bool // once
	hangUp func()
}

func (l *leaves) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	err := l.Records.ChangeRecords(ctx, changes...)
	if err == nil && l.lies {
		l.lies = false
		l.hangUp()
		return errCrash
	}
	return err
}

// TestRecordsWithoutACaller: what is kept of a signed transaction is kept, and what became
// of it is read, whether or not its caller is there.
func TestRecordsWithoutACaller(t *testing.T) {
	store, shared := &leaves{hangUp: func() {}}, memory.NewRecords()
	w := newWorld(t, func(w *world) { store.Records, w.records = shared, store })
	hash := w.mustSend(t, w.transfer(t, 1), "")
	r, err := w.recordOf(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if kept, err := w.wasKept(gone, r); !kept || err != nil {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if err := w.moved(gone, w.book.lane(r.lane())); !errors.Is(err, errMoved) {
		t.Errorf("the lane is read again: %v", err)
	}
	change := rules.Change{Key: prefixKeys + "k", New: []byte("v")}
	store.lies = true
	if err := w.Outbox.insist(gone, []rules.Change{change}); err != nil || store.lies {
		t.Errorf("made, and said to have failed: %v", err)
	}
	w.Outbox.cfg.Shared = shared
	if lost, err := w.lost(gone, &claim{key: change.Key, value: change.New}); lost || err != nil {
		t.Errorf("lost: %v, %v", lost, err)
	}
}
