package hosting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// meeting are records that let so many read together.
type meeting struct {
	rules.Records

	mu   sync.Mutex
	most int
	met  chan struct{} // closed when all are there
}

func (m *meeting) expect(most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most, m.met = most, make(chan struct{})
}

// EachRecord reads, and does not go on before the others have.
func (m *meeting) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	err := m.Records.EachRecord(ctx, prefix, do)
	m.mu.Lock()
	met := m.met
	switch m.most--; {
	case m.most < 0:
		met = nil
	case m.most == 0:
		close(met)
	}
	m.mu.Unlock()
	if met != nil {
		<-met
	}
	return err
}

// town is what replicas share.
type town struct {
	records  rules.Records
	meeting  *meeting     // of the records, if they are
	underWay atomic.Int64 // transactions, of any service
}

// join opens a replica, which follows the others.
func (w *town) join(t *testing.T, name string) *house {
	t.Helper()
	s, log := newStage(), new(logBuffer)
	r, err := Open(t.Context(), w.config(s, name, newSeal(t, 7), slog.New(slog.NewTextHandler(log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{r, s, w.records, log}
	t.Cleanup(func() { h.shut(t) })
	if err := h.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func (w *town) config(s *stage, name string, seal *Seal, log *slog.Logger) Config {
	return Config{
		Records: w.records, Seal: seal, Runner: s, Replica: name, Logger: log,
		UnderWay: func(context.Context, string) (int, error) { return int(w.underWay.Load()), nil },
	}
}

// follows lets time pass in which replicas look at what others did.
func follows() {
	time.Sleep(2 * followInterval) //nolint:forbidigo // of the bubble's clock
	synctest.Wait()
}

// served reports whether the records say that a service is served.
func (w *town) served(ctx context.Context, t *testing.T, id string) bool {
	t.Helper()
	key, open := Serving(id)
	value, err := w.records.Record(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(value, open)
}

func inTown(t *testing.T, test func(t *testing.T, w *town, a, b *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &meeting{Records: memory.NewRecords()}
		w := &town{records: m, meeting: m}
		test(t, w, w.join(t, "a"), w.join(t, "b"))
	})
}

// TestReplicasFollow: what is made at one is served by all, also by one that starts
// later, and what is deleted at one is stopped at all.
func TestReplicasFollow(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, a, b *house) {
		c, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		follows()
		late := w.join(t, "late")
		follows()
		for name, h := range map[string]*house{"a": a, "b": b, "late": late} {
			if state, why := h.state(t, id); state != Started {
				t.Errorf("%s: %s, %s", name, state, why)
			}
			if _, starts := h.stage.count(); starts != 1 {
				t.Errorf("%s: started %d times", name, starts)
			}
		}
		if got := b.stage.act(t, id).service.Details.ChainIDs; len(got) != 1 || got[0] != made[0].Details.ChainIDs[0] {
			t.Errorf("the chain at the other is %v, and %v at the first", got, made[0].Details.ChainIDs)
		}
		isRefused(t, "a configuration in use elsewhere", b.DeleteConfiguration(t.Context(), home, c.ID), ErrInUse, id)
		if err := b.DeleteService(t.Context(), home, id, false); err != nil {
			t.Fatal(err)
		}
		if w.served(t.Context(), t, id) {
			t.Error("it is served")
		}
		follows()
		for name, h := range map[string]*house{"a": a, "b": b, "late": late} {
			if running, _ := h.stage.count(); running != 0 {
				t.Errorf("%s: %d run", name, running)
			}
			if all := h.All(); len(all) != 0 {
				t.Errorf("%s: %+v", name, all)
			}
		}
		if err := late.DeleteConfiguration(t.Context(), home, c.ID); err != nil {
			t.Error(err)
		}
	})
}

// TestReplicasDelete: a service is deleted at a replica at which it does not run, and not
// while anybody has something of it under way.
func TestReplicasDelete(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, a, b *house) {
		b.stage.set(func(s *stage) { s.failure = errors.New("no way to the vault") })
		_, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		follows()
		w.underWay.Store(1)
		isRefused(t, "one under way", b.DeleteService(t.Context(), home, id, false), ErrInUse, "1 transactions under way")
		if !w.served(t.Context(), t, id) {
			t.Error("it is not served any more")
		}
		w.underWay.Store(0)
		if err := b.DeleteService(t.Context(), home, id, false); err != nil {
			t.Fatal(err)
		}
		follows()
		if running, _ := a.stage.count(); running != 0 || w.served(t.Context(), t, id) {
			t.Errorf("%d run", running)
		}
	})
}

// TestReplicasDeleteLate: what is kept between the first look and the closing keeps the
// service, and all serve it again.
func TestReplicasDeleteLate(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, a, b *house) {
		_, made := a.furnish(t, "prod", 1)
		id := made[0].ID
		follows()
		looks := 0
		b.underWay = func(ctx context.Context, _ string) (int, error) {
			if looks++; looks == 1 {
				return 0, nil
			}
			if w.served(ctx, t, id) {
				t.Error("it is counted while more can come")
			}
			return 3, nil
		}
		isRefused(t, "kept late", b.DeleteService(t.Context(), home, id, false), ErrInUse, "3 transactions under way")
		follows()
		for name, h := range map[string]*house{"a": a, "b": b} {
			if state, why := h.state(t, id); state != Started || !w.served(t.Context(), t, id) {
				t.Errorf("%s: %s, %s", name, state, why)
			}
		}
		if err := b.DeleteService(t.Context(), home, id, true); err != nil { // by force
			t.Error(err)
		}
	})
}

// TestReplicasRace: of services with one vault on one chain that are posted to two
// replicas at the same time one is made, and the other leaves nothing.
func TestReplicasRace(t *testing.T) {
	t.Parallel()
	for name, details := range map[string][]string{"named": {`"chain_ids":[5]`}, "of the node": nil} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town, a, b *house) {
				c, _ := a.furnish(t, "prod", 0)
				var group sync.WaitGroup
				var won atomic.Int64
				posts := []*house{a, b, a, b}
				follows()
				w.meeting.expect(len(posts)) // all are found good before any is kept
				for i, h := range posts {
					h.stage.set(func(s *stage) { s.chains = []uint64{5} })
					group.Go(func() {
						_, err := h.CreateService(t.Context(), home, serviceWith(c.ID, details...))
						if err != nil {
							isRefused(t, fmt.Sprint("post ", i), err, ErrInUse, "")
							return
						}
						won.Add(1)
					})
				}
				group.Wait()
				follows()
				ids, err := ServiceIDs(t.Context(), w.records)
				if err != nil || len(ids) != 1 || won.Load() != 1 {
					t.Fatalf("%d were made, and kept are %v, %v", won.Load(), ids, err)
				}
				for name, h := range map[string]*house{"a": a, "b": b} {
					if running, _ := h.stage.count(); running != 1 || len(h.All()) != 1 {
						t.Errorf("%s: %d run, %+v", name, running, h.All())
					}
				}
			})
		})
	}
}

// TestReplicasMaking: a service is served by nobody while one replica starts it, and
// nothing is left of one that can't be started, or is deleted meanwhile.
func TestReplicasMaking(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure error
		deletes bool
		reason  error
		text    string
	}{
		"it starts":               {},
		"it does not":             {failure: errors.New("no way to the vault"), reason: ErrNotStarted, text: "no way to the vault"},
		"it is deleted meanwhile": {deletes: true, reason: ErrInUse, text: "was deleted while it was being made"},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town, a, b *house) {
				held := make(chan struct{})
				a.stage.set(func(s *stage) { s.held, s.failure = held, test.failure })
				c, _ := a.furnish(t, "prod", 0)
				var made Service
				done := make(chan error, 1)
				go func() {
					var err error
					made, err = a.CreateService(t.Context(), home, serviceWith(c.ID, `"chain_ids":[5]`))
					done <- err
				}()
				follows()
				known, err := b.Services(t.Context(), home)
				if err != nil || len(known) != 1 || w.served(t.Context(), t, known[0].ID) {
					t.Fatalf("known: %+v, %v", known, err)
				}
				if _, starts := b.stage.count(); starts != 0 {
					t.Error("the other starts it")
				}
				if test.deletes {
					if err := b.DeleteService(t.Context(), home, known[0].ID, false); err != nil {
						t.Error(err)
					}
				}
				close(held)
				err = <-done
				follows()
				running, _ := b.stage.count()
				own, _ := a.stage.count()
				switch ids, unread := ServiceIDs(t.Context(), w.records); {
				case unread != nil:
					t.Error(unread)
				case test.reason == nil:
					if err != nil || !ids[made.ID] || running != 1 || own != 1 {
						t.Errorf("%v; kept are %v, %d and %d run", err, ids, own, running)
					}
				default:
					isRefused(t, name, err, test.reason, test.text)
					if len(ids) != 0 || running != 0 || own != 0 {
						t.Errorf("kept are %v, %d and %d run", ids, own, running)
					}
				}
			})
		})
	}
}

// TestReplicasAfterACrash: a service whose making or deleting was not finished is served
// by nobody, keeps its vault, and can be deleted at any replica.
func TestReplicasAfterACrash(t *testing.T) {
	t.Parallel()
	for _, state := range []string{serveMaking, serveClosing} {
		t.Run(state, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town, a, _ *house) {
				c, made := a.furnish(t, "prod", 1)
				id := made[0].ID
				key, open := Serving(id)
				if err := w.records.ChangeRecords(t.Context(), rules.Change{Key: key, Old: open, New: servingRecord(state)}); err != nil {
					t.Fatal(err)
				}
				next := w.join(t, "next")
				follows()
				if running, _ := next.stage.count(); running != 0 {
					t.Error("it is started")
				}
				_, why := next.state(t, id)
				if !strings.Contains(why, "can be deleted") {
					t.Error(why)
				}
				_, err := next.CreateService(t.Context(), home, serviceWith(c.ID, fmt.Sprintf(`"chain_ids":[%d]`, made[0].Details.ChainIDs[0])))
				isRefused(t, "another of its vault", err, ErrInUse, id)
				w.underWay.Store(1)
				isRefused(t, "with one under way", next.DeleteService(t.Context(), home, id, false), ErrInUse, "under way")
				w.underWay.Store(0)
				if err := next.DeleteService(t.Context(), home, id, false); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestReplicasKey: a replica with another key does not start, and says where the right
// one is, whatever is kept.
func TestReplicasKey(t *testing.T) {
	t.Parallel()
	w := &town{records: memory.NewRecords()}
	log := slog.New(slog.DiscardHandler)
	if _, err := Open(t.Context(), w.config(newStage(), "first", newSeal(t, 7), log)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), w.config(newStage(), "second", newSeal(t, 8), log))
	isRefused(t, "another key", err, ErrInvalid, `copy the file that proxy.hosting_key_file names at the replica "first"`)
	if _, err := Open(t.Context(), w.config(newStage(), "second", newSeal(t, 7), log)); err != nil {
		t.Error(err)
	}
}

// TestReplicasOfTwoKinds: hosted services and the vaults of configurations don't send from
// the same records.
func TestReplicasOfTwoKinds(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	own := &town{records: memory.NewRecords()}
	for range 2 {
		if err := OccupyOwn(t.Context(), own.records, "first"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(t.Context(), own.config(newStage(), "second", newSeal(t, 7), log))
	isRefused(t, "hosted beside own", err, ErrInUse, `as the replica "first" began it`)
	hosted := &town{records: memory.NewRecords()}
	if _, err := Open(t.Context(), hosted.config(newStage(), "first", newSeal(t, 7), log)); err != nil {
		t.Fatal(err)
	}
	isRefused(t, "own beside hosted", OccupyOwn(t.Context(), hosted.records, "second"), ErrInUse, `as the replica "first" began it`)

	// Who begins at the same time does not begin both.
	for range 50 {
		w := &town{records: memory.NewRecords()}
		var group sync.WaitGroup
		var begun atomic.Int64
		for _, begin := range []func() error{
			func() error { return OccupyOwn(t.Context(), w.records, "own") },
			func() error {
				_, err := Open(t.Context(), w.config(newStage(), "hosted", newSeal(t, 7), log))
				return err
			},
		} {
			group.Go(func() {
				if err := begin(); err == nil {
					begun.Add(1)
				} else {
					isRefused(t, "the later", err, ErrInUse, "began it")
				}
			})
		}
		group.Wait()
		if begun.Load() != 1 {
			t.Fatalf("%d began", begun.Load())
		}
	}
}
