package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
// put back, whether a signer ran then or not, wherever the audit log was since, and whatever
// starts have failed.
func TestCopiesOfTheState(t *testing.T) {
	t.Parallel()
	for name, fail := range failedStarts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCopies(t, name == "none", fail)
		})
	}
}

// testCopies does it with some of the ways of the audit log, or with all.
func testCopies(t *testing.T, all bool, fail func(signer)) {
	t.Helper()
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
			if some := []string{"another", "two others", "there and back"}; !all && !slices.Contains(some, what) {
				continue
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				s := newSigner(t)
				failAt := func(logs ...string) {
					for _, log := range logs {
						s.at(log)
						fail(s)
					}
				}
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
					failAt("other", log)
					if i == 0 {
						s.pay(2, 8, rules.Approve)
					}
					s.pay(3, 2, rules.Reject)
				}
				s.write(t, s.dir.Store(), copied)
				for range 2 { // a start that finds out does not forget it
					failAt("other", logs[len(logs)-1])
					s.pay(3, 2, rules.Reject)
				}
				s.pay(4, 1, rules.Approve)
			})
		}
	}
}

// TestLogsThatAreLost: of several logs that a copy of the state needs, one is away.
func TestLogsThatAreLost(t *testing.T) {
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
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

// crashed has a signer pay and be killed: its log and journal are left as they were, and its
// state as it was before.
func (s signer) crashed(nonce uint64, wei int64, want rules.Verdict) (state, log, journal string) {
	s.t.Helper()
	d := s.start()
	path := s.cfg.Audit.File
	state = s.read(s.t, s.dir.Store())
	if got := pay(s.t, d, nonce, wei); got != want {
		s.t.Errorf("payment %d of %d wei: %v, want %v", nonce, wei, got, want)
	}
	log, journal = s.read(s.t, path), s.read(s.t, path+".journal")
	if err := d.close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.write(s.t, s.dir.Store(), state)
	s.write(s.t, path, log)
	s.write(s.t, path+".journal", journal)
	return state, log, journal
}

// TestALogThatCanOnlyBeRead: its disk is mounted so, or of another user. What it has counts.
func TestALogThatCanOnlyBeRead(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("nothing is closed to this user")
	}
	for name, closed := range map[string]bool{"closed": true, "crashed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			old := filepath.Join(s.dir.Path(), "old")
			if err := os.Mkdir(old, 0o700); err != nil {
				t.Fatal(err)
			}
			a := s.at("old/a")
			s.pay(1, 1, rules.Approve)
			copied, before := s.read(t, s.dir.Store()), s.read(t, a)
			_, log, journal := s.crashed(2, 8, rules.Approve)
			if closed {
				s.write(t, s.dir.Store(), copied)
			}
			crashed := s.read(t, s.dir.Store())
			mode := func(name string, mode os.FileMode) {
				if err := os.Chmod(name, mode); err != nil {
					t.Error(err)
				}
			}
			t.Cleanup(func() { mode(old, 0o700) })
			for _, cut := range []string{log, before, before + log[len(before):len(log)-9]} {
				s.write(t, a, cut)
				s.write(t, a+".journal", journal)
				for _, name := range []string{a, a + ".journal", a + ".lock"} {
					mode(name, 0o400)
				}
				mode(old, 0o500)
				b := s.at("b")
				d := s.start()
				if got := pay(t, d, 3, 2); got != rules.Reject {
					t.Errorf("11 of 10 wei: %v", got)
				}
				s.stop(d)
				s.remove(t, b)
				s.write(t, s.dir.Store(), crashed)

				// What can't be read may have more.
				mode(a, 0)
				for range 2 {
					s.refused("permission denied")
				}
				mode(old, 0o700)
				for _, name := range []string{a, a + ".journal", a + ".lock"} {
					mode(name, 0o600)
				}
				s.remove(t, b)
			}
		})
	}
}

// TestClosedStatesThatGoOnWithout a log do so where that has ended as far as can be seen.
func TestClosedStatesThatGoOnWithout(t *testing.T) {
	t.Parallel()
	lines := func(text string) []string { return strings.SplitAfter(text, "\n") }
	for name, tt := range map[string]struct {
		left func(ended, log string) string // of the log, by what it had when the state was closed and since
		want string                         // "": it goes on
	}{
		"it has ended":             {func(ended, _ string) string { return ended }, ""},
		"an older copy":            {func(ended, _ string) string { return strings.Join(lines(ended)[:2], "") }, ""},
		"damaged, and ended":       {func(ended, _ string) string { return "x" + ended }, ""},
		"damaged, and goes on":     {func(_, log string) string { return "x" + log }, "kvclef state forget --entry "},
		"damaged where it goes on": {func(ended, log string) string { return ended + "x" + log[len(ended):] }, "kvclef state forget --entry "},
		"its oldest part is away":  {func(_, log string) string { return strings.Join(lines(log)[len(lines(log))-3:], "") }, "is missing: bring its segment back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			a := s.at("a")
			s.pay(1, 1, rules.Approve)
			copied, ended := s.read(t, s.dir.Store()), s.read(t, a)
			s.pay(2, 8, rules.Approve)
			s.write(t, a, tt.left(ended, s.read(t, a)))
			s.write(t, s.dir.Store(), copied)
			s.at("b")
			if tt.want != "" {
				s.refused(tt.want)
				return
			}
			s.pay(3, 9, rules.Approve)
			s.pay(4, 1, rules.Reject)
		})
	}
}
