package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestImportBesideClef: a Clef that listens elsewhere than in its folder is one that runs.
func TestImportBesideClef(t *testing.T) {
	c := copyClef(t, t.TempDir())
	folder := t.TempDir()
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte(clefPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := func(network, address string) net.Listener {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener
	}
	socket := filepath.Join(folder, "clef.ipc")
	listen("unix", socket)
	_, port, err := net.SplitHostPort(listen("tcp", "127.0.0.1:0").Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags []string
		code  int
		at    string
	}{
		{[]string{"--ipcpath", folder}, exitUsage, socket},
		{[]string{"--ipcpath", socket}, exitUsage, socket},
		{[]string{"--http", "--http.addr", "127.0.0.1", "--http.port", port}, exitUsage, "127.0.0.1:" + port},
		{[]string{"--http", "--http.addr", "127.0.0.1", "--http.port", port, "--dry-run"}, exitOK, ""},
		{[]string{"--http.addr", "127.0.0.1", "--http.port", port}, exitOK, ""}, // it did not listen there
	} {
		data := filepath.Join(t.TempDir(), "data")
		args := append([]string{"kvclef", "import", "clef", "--configdir", c.config(), "--chainid", clefChain, "--password-file", secret, "--datadir", data}, tt.flags...)
		var said bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &said, &said)
		if code != tt.code || tt.at != "" && !strings.Contains(said.String(), "a signer answers on "+tt.at+", Clef, or kvclef in its place: stop it first") {
			t.Errorf("%q: exit code %d\n%s", tt.flags, code, said.String())
		}
		if _, err := os.Stat(data); tt.code != exitOK && err == nil {
			t.Errorf("%q: a data directory was made", tt.flags)
		}
	}
}

// TestImportAgain: what Clef spent after an import is taken over until a signer was started,
// and told from then on.
func TestImportAgain(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must := func(code int, said string) string {
		t.Helper()
		if code != exitOK {
			t.Fatalf("exit code %d\n%s", code, said)
		}
		return said
	}
	must(importInto(t, data))
	if said := must(importInto(t, data)); !strings.Contains(said, "is the signer's, and left alone") || strings.Contains(said, "gone on") {
		t.Errorf("the same again:\n%s", said)
	}
	state := filepath.Join(data, "state.db")
	look := func() *bolt.Summary {
		t.Helper()
		found, err := bolt.Inspect(t.Context(), state, time.Now(), true)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	// As if Clef had kept less then.
	earlier := func() {
		old := look().RecordValues[importRecord]
		var record imported
		if err := json.Unmarshal([]byte(old), &record); err != nil || record.SHA256 == "" {
			t.Fatalf("the record is %s, %v", old, err)
		}
		record.SHA256 = strings.Repeat("0", 64)
		changed, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		withStore(t, data, func(t *testing.T, s *bolt.Store) {
			putValue(t, s, "spent", "1")
			putValue(t, s, "gone", "x")
			if err := s.ChangeRecords(t.Context(), rules.Change{Key: importRecord, Old: []byte(old), New: changed}); err != nil {
				t.Fatal(err)
			}
		})
	}
	earlier()
	if said := must(importInto(t, data)); !strings.Contains(said, "it takes the place of what was carried over before") {
		t.Errorf("before a start:\n%s", said)
	}
	if found := look(); found.Values["spent"] != "2" || len(found.Values) != 3 {
		t.Errorf("before a start: %v", found.Values)
	}
	if said := must(importInto(t, data)); !strings.Contains(said, "is the signer's, and left alone") {
		t.Errorf("again after that:\n%s", said)
	}

	earlier()
	if err := os.WriteFile(filepath.Join(data, "audit.log"), nil, 0o600); err != nil { // a signer was started
		t.Fatal(err)
	}
	said := must(importInto(t, data))
	if !strings.Contains(said, "kvclef: warning: Clef has gone on since the import of "+strconv.Itoa(time.Now().UTC().Year())) || !strings.Contains(said, "WARNING") {
		t.Errorf("after a start:\n%s", said)
	}
	if found := look(); found.Values["spent"] != "1" || found.Values["gone"] != "x" {
		t.Errorf("after a start: %v", found.Values)
	}
}
