//go:build unix

package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves a real store.
func start(t *testing.T) (store *bolt.Store, path string) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "state.db")
	if err := bolt.Create(file); err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(t.Context(), file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, serve(t, store, filepath.Join(folder, "admin.sock"))
}

func serve(t *testing.T, store Store, path string) string {
	t.Helper()
	server, err := Start(t.Context(), path, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout) //nolint:usetesting // the test's context has ended
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return path
}

func connect(t *testing.T, path string) *Client {
	t.Helper()
	client, err := Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestBackupIsAStore(t *testing.T) {
	t.Parallel()
	store, path := start(t)
	tx, err := store.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.Put("spent", "17"), tx.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	file, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	size, err := connect(t, path).Backup(t.Context(), file)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Size() != size || size == 0 {
		t.Errorf("%d bytes and %v, the file has %d", size, err, info.Size())
	}
	summary, err := bolt.Inspect(t.Context(), copied, time.Now(), true)
	if err != nil || summary.Values["spent"] != "17" {
		t.Errorf("the copy holds %+v, %v", summary, err)
	}
}

func TestAttest(t *testing.T) {
	t.Parallel()
	store, path := start(t)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	plain := rules.Attestation{SHA256: common.Hash{1}, File: "rules.js", Time: time.Unix(1, 0).UTC()}
	signed := plain
	signed.Key = &address
	digest := signed.Digest()
	if signed.Signature, err = crypto.Sign(digest[:], key); err != nil {
		t.Fatal(err)
	}
	for _, want := range []rules.Attestation{plain, signed} {
		if err := connect(t, path).Attest(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, ok, err := store.Attestation(t.Context(), rules.RuleFile)
		if err != nil || !ok || got.SHA256 != want.SHA256 || got.File != want.File || !got.Time.Equal(want.Time) ||
			!bytes.Equal(got.Signature, want.Signature) || (got.Key == nil) != (want.Key == nil) {
			t.Errorf("the store has %+v, %t, %v, want %+v", got, ok, err, want)
		}
	}
	forged := signed
	forged.SHA256 = common.Hash{2}
	if err := connect(t, path).Attest(t.Context(), forged); err == nil || !strings.Contains(err.Error(), "the running signer says: the attestation is signed by") {
		t.Errorf("a forged one: %v", err)
	}
	if got, _, err := store.Attestation(t.Context(), rules.RuleFile); err != nil || got.SHA256 != signed.SHA256 {
		t.Errorf("the forged one is kept: %+v, %v", got, err)
	}
}

func TestAttestationsThatAreRefused(t *testing.T) {
	t.Parallel()
	store, path := start(t)
	hash := "0x" + strings.Repeat("ab", 32)
	key := "0x" + strings.Repeat("cd", 20)
	for _, tt := range []struct{ name, body, want string }{
		{"empty", ``, "decoding the attestation"},
		{"unknown member", `{"sha256":"` + hash + `","time":"2026-01-01T00:00:00Z","more":1}`, "unknown field"},
		{"two", `{"sha256":"` + hash + `","time":"2026-01-01T00:00:00Z"}{}`, "more follows it"},
		{"no hash", `{"time":"2026-01-01T00:00:00Z"}`, "has no sha256"},
		{"short hash", `{"sha256":"0xab","time":"2026-01-01T00:00:00Z"}`, "decoding the attestation"},
		{"unknown kind", `{"kind":"spell","sha256":"` + hash + `","time":"2026-01-01T00:00:00Z"}`, "unknown kind"},
		{"no time", `{"sha256":"` + hash + `"}`, "has no time"},
		{"key alone", `{"sha256":"` + hash + `","time":"2026-01-01T00:00:00Z","key":"` + key + `"}`, "is not signed"},
		{"signature alone", `{"sha256":"` + hash + `","time":"2026-01-01T00:00:00Z","signature":"0x00"}`, "no key"},
		{"too long", `{"file":"` + strings.Repeat("x", maxBody) + `"}`, "too large"},
	} {
		client := connect(t, path)
		_, err := client.do(t.Context(), http.MethodPut, pathAttestation, strings.NewReader(tt.body))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, ok, err := store.Attestation(t.Context(), rules.RuleFile); ok || err != nil {
		t.Errorf("one of them is kept: %v", err)
	}
	for _, request := range [][2]string{{http.MethodPost, pathBackup}, {http.MethodGet, pathAttestation}, {http.MethodGet, "/"}} {
		if _, err := connect(t, path).do(t.Context(), request[0], request[1], http.NoBody); err == nil {
			t.Errorf("%v is answered", request)
		}
	}
}

// failingStore fails after some bytes, and lets a test know that a backup runs.
type failingStore struct {
	after   int
	running chan struct{} // nil: nobody wants to know
	end     chan struct{}
}

func (s failingStore) Backup(w io.Writer) (int64, error) {
	n, _ := w.Write(make([]byte, s.after))
	if s.running != nil {
		close(s.running)
		<-s.end
	}
	return int64(n), errors.New("the disk is gone")
}

func (failingStore) Attest(context.Context, rules.Attestation) error {
	return errors.New("the disk is gone")
}

func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1, 1 << 20} {
		path := serve(t, failingStore{after: after}, filepath.Join(t.TempDir(), "a.sock"))
		if _, err := connect(t, path).Backup(t.Context(), io.Discard); err == nil {
			t.Errorf("a backup that failed after %d bytes is taken for one", after)
		}
		err := connect(t, path).Attest(t.Context(), rules.Attestation{SHA256: common.Hash{1}, Time: time.Unix(1, 0)})
		if err == nil || !strings.Contains(err.Error(), "keeping the attestation: the disk is gone") {
			t.Errorf("attesting: %v", err)
		}
	}
}

func TestOneBackupAtATime(t *testing.T) {
	t.Parallel()
	store := failingStore{after: 1, running: make(chan struct{}), end: make(chan struct{})}
	path := serve(t, store, filepath.Join(t.TempDir(), "a.sock"))
	first := make(chan error, 1)
	client := connect(t, path)
	go func() {
		_, err := client.Backup(t.Context(), io.Discard)
		first <- err
	}()
	<-store.running
	if _, err := connect(t, path).Backup(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "another backup is being made") {
		t.Errorf("the second: %v", err)
	}
	close(store.end)
	<-first
}

func TestSockets(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.sock")
	if _, err := Connect(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a socket: %v", err)
	}
	// One that a dead signer left.
	listener, err := net.Listen("unix", path) //nolint:noctx // it is closed at once
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	if _, err := Connect(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a dead signer's: %v", err)
	}
	serve(t, failingStore{}, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	// One on which somebody answers, a file, a name that is too long.
	if _, err := Start(t.Context(), path, failingStore{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another signer answers there") {
		t.Errorf("a second: %v", err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), file, failingStore{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	long := filepath.Join(folder, strings.Repeat("x", 120))
	if _, err := Start(t.Context(), long, failingStore{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "a socket's path has at most") {
		t.Errorf("a long name: %v", err)
	}
}
