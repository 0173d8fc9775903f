package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestALogThatWasMovedWithoutItsJournal: what a power cut left there alone is not forgotten.
func TestALogThatWasMovedWithoutItsJournal(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"gone": false, "another in its place": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			a := s.at("a")
			s.pay(1, 1, rules.Approve)
			before := s.read(t, a)
			s.crashed(2, 8, rules.Approve)
			s.write(t, a, before) // what was not flushed
			b := s.at("b")
			if err := os.Rename(a, b); err != nil {
				t.Fatal(err)
			}
			if again {
				s.write(t, a, "")
			}
			for range 2 {
				s.refused("mv " + a + ".journal " + b + ".journal")
			}
			if s.read(t, b) != before {
				t.Error("a start that was refused wrote to the log")
			}
			if err := os.Rename(a+".journal", b+".journal"); err != nil {
				t.Fatal(err)
			}
			s.pay(3, 2, rules.Reject)
			s.pay(4, 1, rules.Approve)
		})
	}
}

// TestAStateThatWasUsedWithNoLog does not go on with one that has entries, unless somebody
// says so; and the log tells of that. Commands are run one at a time: the library for them
// has variables of its own.
func TestAStateThatWasUsedWithNoLog(t *testing.T) {
	kvclefRun := func(t *testing.T, args ...string) error {
		t.Helper()
		return newProgram().app().RunContext(t.Context(), append([]string{"kvclef"}, args...))
	}
	lost := func(t *testing.T, initArgs ...string) signer {
		t.Helper()
		s := newSigner(t)
		s.cfg.Audit.File = filepath.Join(t.TempDir(), "audit.log")
		s.pay(1, 9, rules.Approve)
		s.remove(t, s.dir.Store())
		// Without the configuration, where the log is is not known.
		if err := kvclefRun(t, append([]string{"init", "--datadir", s.cfg.DataDir}, initArgs...)...); err != nil {
			t.Fatal(err)
		}
		return s
	}
	told := func(s signer) {
		s.pay(2, 10, rules.Approve)
		s.pay(3, 1, rules.Reject)
		if n := strings.Count(s.read(s.t, s.cfg.Audit.File), "given up was what was held since entry 0 of "); n != 1 {
			s.t.Errorf("the log tells it %d times", n)
		}
	}
	t.Run("refused, and forgotten", func(t *testing.T) {
		s := lost(t)
		log := s.read(t, s.cfg.Audit.File)
		for range 2 {
			s.refused("has entries, up to 3: what was spent of limits was in another state")
		}
		if s.read(t, s.cfg.Audit.File) != log {
			t.Error("a start that was refused wrote to the log")
		}
		if err := kvclefRun(t, "state", "forget", "--entry", "1", "--datadir", s.cfg.DataDir); err == nil {
			t.Error("another entry is forgotten")
		}
		if err := kvclefRun(t, "state", "forget", "--entry", "0", "--datadir", s.cfg.DataDir); err != nil {
			t.Fatal(err)
		}
		told(s)
	})
	t.Run("a log of its own", func(t *testing.T) {
		s := lost(t)
		s.at("own.log")
		s.pay(2, 10, rules.Approve)
		s.pay(3, 1, rules.Reject)
	})
	t.Run("on purpose", func(t *testing.T) {
		told(lost(t, "--forget-limits"))
	})
	t.Run("of an older version", func(t *testing.T) {
		s := newSigner(t)
		s.pay(1, 9, rules.Approve)
		packed, err := os.Open("../../rules/store/bolt/testdata/version3.db.gz")
		if err != nil {
			t.Fatal(err)
		}
		defer packed.Close()
		unpacked, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		older, err := io.ReadAll(unpacked)
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, s.dir.Store(), string(older))
		opened, err := bolt.Open(t.Context(), s.dir.Store(), bolt.Options{}) // as by a command before the start
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
		s.stop(s.start())
	})
}
