package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

const (
	soundRules  = "function ApproveListing() { return 'Approve' }\n"
	brokenRules = "function ApproveListing() {\n  return 'Approve'\n}}\n"
)

// prepared is a data directory with a rule file in it.
type prepared struct {
	dir datadir.Dir
	cfg *config.Config
}

// prepare makes one, attested as it is.
func prepare(t *testing.T, source string, key *ecdsa.PrivateKey) prepared {
	t.Helper()
	dir, err := datadir.Make(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.Create(dir.Store()); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.DataDir, cfg.Rules.File = dir.Path(), filepath.Join(dir.Path(), "rules.js")
	p := prepared{dir, cfg}
	p.write(t, cfg.Rules.File, source)
	p.attest(t, source, key)
	return p
}

func (p prepared) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p prepared) attest(t *testing.T, source string, key *ecdsa.PrivateKey) {
	t.Helper()
	attestation := rules.Attestation{SHA256: sha256.Sum256([]byte(source)), File: "rules.js", Time: time.Unix(1e9, 0).UTC()}
	if key != nil {
		digest, address := attestation.Digest(), crypto.PubkeyToAddress(key.PublicKey)
		signature, err := crypto.Sign(digest[:], key)
		if err != nil {
			t.Fatal(err)
		}
		attestation.Signature, attestation.Key = signature, &address
	}
	store, err := bolt.Open(t.Context(), p.dir.Store(), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Attest(t.Context(), attestation), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// open opens what serve opens.
func (p prepared) open(t *testing.T) (*durable, error) {
	t.Helper()
	return openDurable(t.Context(), p.cfg, durableOptions{path: p.cfg.DataDir, attested: true}, slog.New(slog.DiscardHandler))
}

func (p prepared) remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey).Hex()
}

// TestTheStartIsRefused has what stops a signer before it listens, and whether
// the operator's set-up is to blame (exit code 2) or the machine (1).
func TestTheStartIsRefused(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	_, other := newKey(t)
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, *prepared)
		usage bool
		want  []string
	}{
		{"no directory", func(_ *testing.T, p *prepared) { p.cfg.DataDir += "/missing" }, true, []string{"there is no data directory", "kvclef init --datadir"}},
		{"open to others", func(t *testing.T, p *prepared) {
			if err := os.Chmod(p.dir.Path(), 0o750); err != nil {
				t.Fatal(err)
			}
		}, true, []string{"mode 0750", "chmod 700"}},
		{"no store", func(t *testing.T, p *prepared) { p.remove(t, p.dir.Store()) }, true, []string{"has no state", "kvclef init --datadir"}},
		{"a lost store", func(t *testing.T, p *prepared) {
			d, err := p.open(t)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(d.begin(t.Context(), ""), d.close(t.Context())); err != nil {
				t.Fatal(err)
			}
			p.remove(t, p.dir.Store())
		}, true, []string{"there is no state at " + string(filepath.Separator), "has entries, up to 1:", "docs/operations.md#backup", "kvclef init --forget-limits"}},
		{"a foreign store", func(t *testing.T, p *prepared) { p.write(t, p.dir.Store(), "something else") }, true, []string{"not a store of kvclef"}},
		{"a newer store", func(t *testing.T, p *prepared) { makeNewer(t, p.dir.Store()) }, true, []string{"newer kvclef"}},
		{"a damaged store", func(t *testing.T, p *prepared) { flip(t, p.dir.Store(), `"file":"rules.js"`) }, false, []string{"damaged", "kvclef state show"}},
		{"no rule file", func(t *testing.T, p *prepared) { p.remove(t, p.cfg.Rules.File) }, true, []string{"opening the rule file", "no such file"}},
		{"a large rule file", func(t *testing.T, p *prepared) {
			p.write(t, p.cfg.Rules.File, soundRules+strings.Repeat(" ", maxRules))
		}, true, []string{"has more than 1048576 bytes"}},
		{"not attested", func(t *testing.T, p *prepared) {
			p.remove(t, p.dir.Store())
			if err := bolt.Create(p.dir.Store()); err != nil {
				t.Fatal(err)
			}
		}, true, []string{"is not attested", "kvclef rules attest --datadir", hashOf(soundRules)}},
		{"changed", func(t *testing.T, p *prepared) {
			p.write(t, p.cfg.Rules.File, soundRules+" ")
		}, true, []string{"is not the one that was attested", hashOf(soundRules), hashOf(soundRules + " "), "attested on 2001-09-09T01:46:40Z", "kvclef rules attest --datadir"}},
		{"broken", func(t *testing.T, p *prepared) {
			p.write(t, p.cfg.Rules.File, brokenRules)
			p.attest(t, brokenRules, nil)
		}, true, []string{"rules.js:3:2"}},
		{"pinned, not signed", func(t *testing.T, p *prepared) {
			p.attest(t, soundRules, nil)
			p.cfg.Rules.AttestKey = address
		}, true, []string{"rules.attest_key: the attestation is not signed", "--attest-key " + address}},
		{"pinned, signed by another", func(_ *testing.T, p *prepared) { p.cfg.Rules.AttestKey = other }, true, []string{"is signed by " + address + ", not by " + other}},
		{"no place for the audit log", func(_ *testing.T, p *prepared) { p.cfg.Audit.File = p.dir.Path() + "/none/audit.log" }, false, []string{"audit log", "none does not exist"}},
		{"a broken audit log", func(t *testing.T, p *prepared) { p.write(t, p.dir.AuditLog(), "{}\n") }, false, []string{"audit.log", "line 1", "kvclef audit verify"}},
		{"something in the socket's place", func(t *testing.T, p *prepared) { p.write(t, p.dir.AdminSocket(), "") }, false, []string{"admin.sock", "is no socket"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, soundRules, key)
			tt.spoil(t, &p)
			_, err := p.open(t)
			if err == nil {
				t.Fatal("it is opened")
			}
			var usage *usageError
			if errors.As(err, &usage) != tt.usage {
				t.Errorf("wrong usage is %t, want %t: %v", !tt.usage, tt.usage, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: want %q in it", err, want)
				}
			}
		})
	}
}

func hashOf(source string) string { return common.Hash(sha256.Sum256([]byte(source))).Hex()[2:] }

// makeNewer writes a later version into a store.
func makeNewer(t *testing.T, path string) {
	t.Helper()
	if err := asNewer(path); err != nil {
		t.Fatal(err)
	}
}

// flip changes a byte of a text in a file.
func flip(t *testing.T, path, text string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(content, []byte(text))
	if i < 0 {
		t.Fatalf("%s does not hold %s", path, text)
	}
	content[i] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOpenAndClose opens what serve opens, twice in a row, and once too often.
func TestOpenAndClose(t *testing.T) {
	t.Parallel()
	key, address := newKey(t)
	p := prepare(t, soundRules, key)
	p.cfg.Rules.AttestKey = address
	for range 2 {
		d, err := p.open(t)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.open(t); !errors.Is(err, bolt.ErrLocked) {
			t.Errorf("opened twice: %v", err)
		}
		decision, err := d.decider().Decide(t.Context(), &rules.Request{Kind: rules.KindText})
		if err != nil || decision.Verdict != rules.Reject {
			t.Errorf("decided without a function: %+v, %v", decision, err)
		}
		if err := errors.Join(d.begin(t.Context(), ""), d.end(t.Context(), errors.New("because")), d.close(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(p.dir.AdminSocket()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	}
	written, err := os.ReadFile(p.dir.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"event":"start"`, "rule file with SHA-256 " + hashOf(soundRules), `"event":"stop"`, `"error":"because"`} {
		if strings.Count(string(written), want) != 2 {
			t.Errorf("the audit log has %q not twice:\n%s", want, written)
		}
	}
}

// TestTheAuditLogIsAnother: the first entry of a run names the log before, where
// that was another, and a log that was used before must have what it had.
func TestTheAuditLogIsAnother(t *testing.T) {
	t.Parallel()
	p := prepare(t, soundRules, nil)
	first, second := p.dir.AuditLog(), filepath.Join(p.dir.Path(), "second.log")
	run := func(path string) (head string) {
		p.cfg.Audit.File = path
		d, err := p.open(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.begin(t.Context(), ""), d.end(t.Context(), nil), d.close(t.Context())); err != nil {
			t.Fatal(err)
		}
		seq, hash := d.audit.Head()
		return fmt.Sprintf("the audit log before had entry %d with the hash %s, %s;", seq, hash, path)
	}
	run(first)
	one := run(first)
	two := run(second)
	three := run(first)
	run(second)
	for path, want := range map[string][]string{first: {two}, second: {one, three}} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, note := range want {
			if strings.Count(string(text), note) != 1 {
				t.Errorf("%s has %q not once:\n%s", path, note, text)
			}
		}
		if n := strings.Count(string(text), "the audit log before"); n != len(want) {
			t.Errorf("%s has %d notes, want %d:\n%s", path, n, len(want), text)
		}
	}
	p.remove(t, first)
	p.cfg.Audit.File = first
	if _, err := p.open(t); err == nil || !strings.Contains(err.Error(), "the log was removed") {
		t.Errorf("got %v", err)
	}
}

// TestTemporaryIsRemoved covers dev without a data directory, also where it
// does not start.
func TestTemporaryIsRemoved(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "missing.js"} {
		cfg := config.Default()
		cfg.Rules.File = file
		options, err := devDurable(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d, err := openDurable(t.Context(), cfg, options, slog.New(slog.DiscardHandler))
		if (err == nil) != (file == "") {
			t.Fatalf("%q: %v", file, err)
		}
		if d != nil {
			if err := d.close(context.Background()); err != nil { //nolint:usetesting // as at the end
				t.Error(err)
			}
		}
		if _, err := os.Stat(options.path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: the folder is left: %v", file, err)
		}
	}
}
