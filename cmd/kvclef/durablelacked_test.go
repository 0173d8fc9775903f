package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// signer is one that allows ten wei a day, and is started again and again.
type signer struct {
	prepared

	t   *testing.T
	log *bytes.Buffer
}

func newSigner(t *testing.T) signer {
	t.Helper()
	s := signer{prepare(t, soundRules, nil), t, new(bytes.Buffer)}
	s.cfg.Rules.File, s.cfg.Rules.Policy = "", filepath.Join(s.dir.Path(), "policy.yaml")
	s.write(t, s.cfg.Rules.Policy, tenWei)
	s.cfg.Audit.File = s.dir.AuditLog()
	return s
}

// at has the audit log elsewhere from the next start on.
func (s signer) at(name string) string {
	s.cfg.Audit.File = filepath.Join(s.dir.Path(), name)
	return s.cfg.Audit.File
}

func (s signer) try() (*durable, error) {
	d, err := openDurable(s.t.Context(), s.cfg, durableOptions{path: s.cfg.DataDir}, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		return nil, err
	}
	err = d.begin(s.t.Context(), "")
	return d, err
}

func (s signer) start() *durable {
	s.t.Helper()
	d, err := s.try()
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s signer) stop(d *durable) {
	s.t.Helper()
	if err := errors.Join(d.end(s.t.Context(), nil), d.close(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

// pay has a signer run for one payment.
func (s signer) pay(nonce uint64, wei int64, want rules.Verdict) {
	s.t.Helper()
	d := s.start()
	if got := pay(s.t, d, nonce, wei); got != want {
		s.t.Errorf("payment %d of %d wei: %v, want %v", nonce, wei, got, want)
	}
	s.stop(d)
}

// refused has a signer not start.
func (s signer) refused(want string) {
	s.t.Helper()
	if d, err := s.try(); err == nil || !strings.Contains(err.Error(), want) {
		s.t.Errorf("it starts, or says something else than %q: %v, %v", want, d != nil, err)
	}
}

// TestCopiesOfTheState: what was spent since a copy of the state was made counts when it is
// put back, whether a signer ran then or not, and wherever the audit log was since.
func TestCopiesOfTheState(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		for what, logs := range map[string][]string{
			"one log":              {"a", "a"},
			"another":              {"b", "b"},
			"another is begun now": {"a", "b"},
			"two others":           {"b", "c"},
			"there and back":       {"b", "a"},
			"three others":         {"b", "c", "d"},
			"to and fro":           {"b", "a", "b", "c"},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				s := newSigner(t)
				s.at("a")
				s.pay(1, 1, rules.Approve)
				d := s.start()
				if !running {
					s.stop(d)
				}
				copied := s.read(t, s.dir.Store())
				if running {
					s.stop(d)
				}
				for i, log := range logs {
					s.at(log)
					if i == 0 {
						s.pay(2, 8, rules.Approve)
					}
					s.pay(3, 2, rules.Reject)
				}
				s.write(t, s.dir.Store(), copied)
				for range 2 { // a start that finds out does not forget it
					s.pay(3, 2, rules.Reject)
				}
				s.pay(4, 1, rules.Approve)
			})
		}
	}
}

// TestLogsThatAreLost: of several logs that a copy of the state needs, one is away.
func TestLogsThatAreLost(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			s.at("a")
			d := s.start()
			if !running {
				s.stop(d)
			}
			copied := s.read(t, s.dir.Store())
			if running {
				s.stop(d)
			}
			b := s.at("b")
			s.pay(1, 9, rules.Approve)
			s.at("c")
			s.pay(2, 2, rules.Reject)
			s.write(t, s.dir.Store(), copied)
			lost := s.read(t, b)
			s.remove(t, b)
			for range 2 {
				s.refused("kvclef state forget --entry ")
			}
			s.write(t, b, lost[:strings.LastIndexByte(lost[:len(lost)-1], '\n')+1])
			s.refused("b ends before entry 3")
			s.write(t, b, lost)
			s.pay(3, 2, rules.Reject)

			// Where it is lost for good, that is given up on purpose, once.
			s.write(t, s.dir.Store(), copied)
			s.remove(t, b)
			d, err := s.try()
			if err == nil || d != nil {
				t.Fatal("it starts")
			}
			_, entry, _ := strings.Cut(err.Error(), "--entry ")
			entry, _, _ = strings.Cut(entry, ":")
			if err := newProgram().app().RunContext(t.Context(), []string{"kvclef", "state", "forget", "--entry", entry, "--datadir", s.cfg.DataDir}); err != nil {
				t.Fatal(err)
			}
			s.pay(4, 10, rules.Approve)
			s.pay(5, 1, rules.Reject)
			if running {
				return
			}
			// A state that was closed does without a log that ended with it.
			s = newSigner(t)
			a := s.at("a")
			s.pay(1, 9, rules.Approve)
			s.remove(t, a)
			s.at("b")
			s.pay(2, 2, rules.Reject)
		})
	}
}

// TestALogThatWasMoved is not looked for where it was.
func TestALogThatWasMoved(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	a := s.at("a")
	s.pay(1, 1, rules.Approve)
	d := s.start()
	copied := s.read(t, s.dir.Store())
	s.stop(d)
	b := s.at("b")
	if err := os.Rename(a, b); err != nil {
		t.Fatal(err)
	}
	s.pay(2, 8, rules.Approve)
	s.write(t, s.dir.Store(), copied)
	s.pay(3, 2, rules.Reject)
	s.pay(4, 1, rules.Approve)
	for record, err := range audit.Entries(t.Context(), b, 1) {
		if err != nil {
			t.Fatal(err)
		}
		if before := record.Entry.Before; before != nil && before.Log != a {
			t.Errorf("%+v", before)
		}
	}
}
