package hosting

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// keeping are records from which no service can be removed for a while.
type keeping struct {
	rules.Records
	away atomic.Bool
}

func (k *keeping) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	for _, c := range changes {
		if k.away.Load() && c.New == nil && strings.HasPrefix(c.Key, keyService) {
			return errors.New("the database is away")
		}
	}
	return k.Records.ChangeRecords(ctx, changes...)
}

// TestReplicasDeleteFails: a service that was closed and could not be removed is served as
// before.
func TestReplicasDeleteFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &keeping{Records: memory.NewRecords()}
		w := &town{records: k}
		a := w.join(t, "a")
		_, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		k.away.Store(true)
		for _, force := range []bool{false, true} {
			if err := a.DeleteService(t.Context(), home, id, force); err == nil || !strings.Contains(err.Error(), "the database is away") {
				t.Errorf("force %v: %v", force, err)
			}
			if state, why := a.state(t, id); state != Started || !w.served(t.Context(), t, id) {
				t.Errorf("force %v: %s, %s", force, state, why)
			}
		}
		k.away.Store(false)
		if err := a.DeleteService(t.Context(), home, id, false); err != nil {
			t.Error(err)
		}
	})
}

// TestReplicasOpenedMeanwhile: what is kept while another has a service served again, which
// was closed when it was counted, keeps the service.
func TestReplicasOpenedMeanwhile(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, a, b *house) {
		_, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		follows()
		looks := 0
		b.underWay = func(ctx context.Context, _ string) (int, error) {
			if looks++; looks != 2 {
				return int(w.underWay.Load()), nil
			}
			if err := a.reopen(ctx, id, serveOpen); err != nil {
				t.Error(err)
			}
			w.underWay.Store(1)
			if _, err := a.Registry.shut(ctx, home, id); err != nil { // a third
				t.Error(err)
			}
			return 0, nil
		}
		isRefused(t, "with one under way", b.DeleteService(t.Context(), home, id, false), ErrInUse, "1 transactions under way")
		if _, err := a.Service(t.Context(), home, id); err != nil {
			t.Error(err)
		}
	})
}

// TestReplicasClosed: a replica that runs a service which another left closed does not say
// that all is well.
func TestReplicasClosed(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, a, b *house) {
		_, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		follows()
		key, open := Serving(id)
		if err := w.records.ChangeRecords(t.Context(), rules.Change{Key: key, Old: open, New: servingRecord(serveClosing)}); err != nil {
			t.Fatal(err)
		}
		for name, h := range map[string]*house{"a": a, "b": b} {
			if state, why := h.state(t, id); state != Stopping || !strings.Contains(why, "can be deleted") {
				t.Errorf("%s: %s, %q", name, state, why)
			}
		}
	})
}

// TestReplicasDeleteTogether: several may delete one service at one replica and at others,
// and nothing is left of any.
func TestReplicasDeleteTogether(t *testing.T) {
	inTown(t, func(t *testing.T, _ *town, a, b *house) {
		c, _ := a.furnish(t, "prod", 0)
		for range 50 {
			made, err := a.CreateService(t.Context(), home, serviceWith(c.ID))
			if err != nil {
				t.Fatal(err)
			}
			follows()
			var group sync.WaitGroup
			for _, h := range []*house{a, b, a} {
				group.Go(func() { _ = h.DeleteService(t.Context(), home, made.ID, false) }) // one does
			}
			group.Wait()
			follows()
		}
		for name, h := range map[string]*house{"a": a, "b": b} {
			running, _ := h.stage.count()
			if running != 0 || len(h.All()) != 0 || len(h.busy) != 0 || len(h.cancels) != 1 { // that of what follows
				t.Errorf("%s: %d run, %v, %v, %d", name, running, h.All(), h.busy, len(h.cancels))
			}
		}
		first, second := a.occupy("s1"), a.occupy("s1")
		first()
		if a.busy["s1"] != 1 {
			t.Errorf("one is at it still: %v", a.busy)
		}
		second()
	})
}

// TestReplicasOfAnotherVersion: a record that another version wrote is not understood, not
// taken for what it may not be.
func TestReplicasOfAnotherVersion(t *testing.T) {
	t.Parallel()
	if state, err := decodeServing([]byte(`{"version":2,"state":"open"}`)); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("%q, %v", state, err)
	}
	for value, want := range map[string]string{
		`{"version":2,"by":"own","replica":"x"}`:    "another version",
		`{"version":2,"by":"hosted","replica":"x"}`: "another version",
		`{"version":1,"by":"both","replica":"x"}`:   "newer kvclef",
	} {
		w := &town{records: memory.NewRecords()}
		if err := w.records.ChangeRecords(t.Context(), rules.Change{Key: keyTenancy, New: []byte(value)}); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), w.config(newStage(), "a", newSeal(t, 7), slog.New(slog.DiscardHandler)))
		for _, err := range []error{err, OccupyOwn(t.Context(), w.records, "a")} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", value, err, want)
			}
		}
	}
}

// TestReplicasSealedAlready: where something is sealed and the record of who sends is gone,
// as after it was removed by hand, the key must be the one all the same.
func TestReplicasSealedAlready(t *testing.T) {
	t.Parallel()
	w := &town{records: memory.NewRecords()}
	log := slog.New(slog.DiscardHandler)
	if _, err := Open(t.Context(), w.config(newStage(), "a", newSeal(t, 7), log)); err != nil {
		t.Fatal(err)
	}
	value, err := w.records.Record(t.Context(), keyTenancy)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.records.ChangeRecords(t.Context(), rules.Change{Key: keyTenancy, Old: value}); err != nil {
		t.Fatal(err)
	}
	isRefused(t, "own vaults", OccupyOwn(t.Context(), w.records, "own"), ErrInUse, "a schema of its own")
	_, err = Open(t.Context(), w.config(newStage(), "b", newSeal(t, 8), log))
	isRefused(t, "another key", err, ErrInvalid, "at any replica that serves them")
	if _, err := Open(t.Context(), w.config(newStage(), "b", newSeal(t, 7), log)); err != nil {
		t.Error(err)
	}
}

// brimful are records that have no room for anything more, if they are full.
type brimful struct {
	rules.Records
	full atomic.Bool
}

func (b *brimful) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	more := 0
	for _, c := range changes {
		more += len(c.New) - len(c.Old)
	}
	if b.full.Load() && more > 0 {
		return rules.ErrRecordsFull
	}
	return b.Records.ChangeRecords(ctx, changes...)
}

// TestReplicasDeleteForRoom: a service can be deleted where there is no room for anything.
func TestReplicasDeleteForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &brimful{Records: memory.NewRecords()}
		a := (&town{records: b}).join(t, "a")
		_, made := a.furnish(t, "prod", 1)
		b.full.Store(true)
		if err := a.DeleteService(t.Context(), home, made[0].ID, true); err != nil {
			t.Error(err)
		}
	})
}
