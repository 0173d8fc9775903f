package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// failedStarts are starts that end before anything is decided, by where; the first does not
// start at all.
func failedStarts() map[string]func(signer) {
	return map[string]func(signer){
		"none": func(signer) {},
		"a taken port": func(s signer) {
			s.closed(s.opened())
		},
		"a signal": signer.interrupted,
		"killed": func(s signer) {
			d := s.opened()
			state := s.read(s.t, s.dir.Store())
			s.closed(d)
			s.write(s.t, s.dir.Store(), state)
		},
		"on record, and no more": func(s signer) {
			d := s.opened()
			ctx, cancel := context.WithCancel(s.t.Context())
			cancel()
			if err := d.begin(ctx, ""); err == nil {
				s.t.Error("it begins after a signal")
			}
			s.closed(d)
		},
	}
}

// opened is a signer that goes no further.
func (s signer) opened() *durable {
	s.t.Helper()
	d, err := openDurable(s.t.Context(), s.cfg, durableOptions{path: s.cfg.DataDir}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s signer) closed(d *durable) {
	s.t.Helper()
	if err := d.close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// interrupted has a signal come between the opening of the log and the taking over of what
// it has.
func (s signer) interrupted() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	d := &durable{options: durableOptions{path: s.cfg.DataDir}, log: slog.New(slog.DiscardHandler)}
	for _, open := range []func(context.Context, *config.Config) error{d.openState, d.loadFiles, d.joinRules, d.openAudit} {
		if err := open(ctx, s.cfg); err != nil {
			s.t.Fatal(err)
		}
	}
	cancel()
	if err := d.relyOnAudit(ctx, s.cfg); !errors.Is(err, context.Canceled) {
		s.t.Error(err)
	}
	s.closed(d)
}

// heads are those that the state remembers.
func (s signer) heads() []store.LogHead {
	s.t.Helper()
	state, err := bolt.Open(s.t.Context(), s.dir.Store(), bolt.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	heads, err := state.LogHeads(s.t.Context())
	if err := errors.Join(err, state.Close()); err != nil {
		s.t.Fatal(err)
	}
	return heads
}

// keepPasskey has the state have a passkey that no log knows.
func (s signer) keepPasskey(person string) {
	s.t.Helper()
	state, err := bolt.Open(s.t.Context(), s.dir.Store(), bolt.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	key := fmt.Sprintf("credential/%s/%x", person, sha256.Sum256([]byte{1}))
	value := fmt.Sprintf(`{"version":1,"person":%q,"added":"2026-01-01T00:00:00Z","credential":{"id":"AQ==","publicKey":"AQ=="}}`, person)
	if err := errors.Join(state.ChangeRecords(s.t.Context(), rules.Change{Key: key, New: []byte(value)}), state.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// TestWhatAFailedStartRemembers: a start that takes what a crash has left in two logs, and
// then fails, knows of both up to where it has come, and which was used last.
func TestWhatAFailedStartRemembers(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	b := s.at("b")
	s.pay(1, 1, rules.Approve)
	a := s.at("a")
	s.pay(2, 1, rules.Approve)
	used := s.heads()[1].Time
	s.crashed(3, 8, rules.Approve)
	before := s.heads()
	last, err := lastOf(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	s.at("b")
	s.closed(s.opened())
	heads := s.heads()
	if len(heads) != 2 || heads[0] != before[0] || heads[0].Log != b {
		t.Errorf("got %+v, want %s as it was", heads, b)
	}
	if got := heads[1]; got.Log != a || got.Seq != last || got.Seq <= before[1].Seq || got.Time != before[1].Time || !got.Time.After(used) {
		t.Errorf("got %+v, want entry %d of %s, used as before: %+v", got, last, a, before[1])
	}
	s.at("a")
	s.log.Reset()
	s.pay(4, 1, rules.Reject)
	for _, told := range []string{"The state is older", "Audit log is another than the last time"} {
		if strings.Contains(s.log.String(), told) {
			t.Errorf("logged %q:\n%s", told, s.log)
		}
	}
}

// TestTheFirstStartFails once it is on record: the state knows the log, and that it was not
// used, so that it still has the passkeys recorded.
func TestTheFirstStartFails(t *testing.T) {
	t.Parallel()
	for name, fail := range failedStarts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			s.cfg.Audit.File = filepath.Join(s.dir.Path(), "first")
			d := s.opened()
			state := s.read(t, s.dir.Store())
			if err := d.begin(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			s.closed(d)
			s.write(t, s.dir.Store(), state) // it was killed before it remembered
			s.keepPasskey("alice")
			fail(s)
			d = s.opened()
			if known := d.known; !known.Time.IsZero() || d.before != (store.LogHead{}) {
				t.Errorf("the log was used: %+v, after %+v", known, d.before)
			}
			s.closed(d)
			for nonce := range uint64(2) {
				s.pay(nonce, 5, rules.Approve)
			}
			if name != "on record, and no more" && strings.Count(s.read(t, s.cfg.Audit.File), `"approver":"alice"`) != 1 {
				t.Errorf("the passkey is to be recorded once:\n%s", s.read(t, s.cfg.Audit.File))
			}
			if heads := s.heads(); len(heads) != 1 || heads[0].Time.IsZero() {
				t.Errorf("got %+v", heads)
			}
		})
	}
}

// TestACopyOfAKilledStart relies on a log in which nothing was decided: the one used last
// counts.
func TestACopyOfAKilledStart(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	s.at("b")
	s.pay(6, 1, rules.Approve)
	s.at("a")
	s.pay(1, 1, rules.Approve)
	s.at("b")
	failedStarts()["killed"](s)
	copied := s.read(t, s.dir.Store())
	s.at("a")
	s.pay(2, 8, rules.Approve)
	for _, log := range []string{"b", "c", "a"} {
		s.write(t, s.dir.Store(), copied)
		s.at(log)
		s.pay(3, 2, rules.Reject)
	}

	// Likewise where something was given up before.
	s.write(t, s.dir.Store(), copied)
	last := s.heads()[1]
	if err := newProgram().app().RunContext(t.Context(), []string{"kvclef", "state", "forget", "--entry", fmt.Sprint(last.Seq), "--datadir", s.cfg.DataDir}); err != nil {
		t.Fatal(err)
	}
	s.at("b")
	failedStarts()["killed"](s)
	s.pay(4, 8, rules.Approve)
	s.pay(5, 1, rules.Reject)
}
