package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// programs are the shipped binary, and the one with failpoints.
type programs struct{ shipped, failing string }

func build(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	p := programs{filepath.Join(dir, "kvclef"), filepath.Join(dir, "kvclef-failing")}
	for program, tags := range map[string]string{p.shipped: "", p.failing: "failpoint"} {
		command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", tags, "-o", program, "github.com/kvclef/kvclef/cmd/kvclef")
		if text, err := command.CombinedOutput(); err != nil {
			t.Fatalf("building kvclef: %v\n%s", err, text)
		}
	}
	code, err := os.ReadFile(p.shipped)
	if err != nil || bytes.Contains(code, []byte("FAILPOINT_OF_KVCLEF")) {
		t.Fatalf("the shipped binary knows of failpoints (or: %v)", err)
	}
	return p
}

// stage is a data directory with a vault, which live on over all crashes.
type stage struct {
	programs
	tally

	dir, data string
	env       []string
	vault     *emulator.Server
	asked     *asked         // of the vault
	auditor   common.Address // that signs checkpoints, in a vault of its own
	load      load
	books     *books
	rng       *rand.Rand

	afterwards func() error // what happens between a crash and the looking; nil: nothing

	planned    plan          // of the round under way
	lacked     store.LogHead // after which the log has what the state lacks; zero: nothing
	torn       bool          // the log ends with an unfinished line
	unrecorded int           // lines that were cut off by signers killed in that
	turn       int           // of the failpoints
	segments   int           // of the log, when it was last verified
}

// newStage makes a data directory with the rules of a file, and its vault. The
// log is put aside when it has the size of a segment, in bytes.
func newStage(t *testing.T, p programs, rules string, segment int, seed uint64) *stage {
	t.Helper()
	dir := t.TempDir()
	asked := new(asked)
	vault, account := startVault(t, "treasury", asked.add)
	notary, auditor := startVault(t, "checkpoints", nil)
	s := &stage{
		programs: p, dir: dir, data: filepath.Join(dir, "data"), vault: vault, asked: asked, auditor: auditor,
		env:   []string{"HOME=" + dir, "VAULT_SECRET=" + vault.ClientSecret(), "NOTARY_SECRET=" + notary.ClientSecret()},
		books: newBooks(account, limit, rules == "at-approval.js"),
		rng:   rand.New(rand.NewPCG(seed, 0)),
	}
	s.load.ipc, s.load.account = filepath.Join(dir, "s.ipc"), account
	kind := "file"
	if rules == policyFile {
		kind, s.books.limits, s.load.replaces = "policy", newLimitBooks(), true
	}
	s.kills = map[string]int{}
	s.write(t, "vault.pem", vault.CAPEM())
	s.write(t, "notary.pem", notary.CAPEM())
	source, err := os.ReadFile(filepath.Join("testdata", rules))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, rules, source)
	s.write(t, "kvclef.yaml", fmt.Appendf(nil, `
chainids: [%d]
datadir: %s
listeners: {ipc: {path: %s}}
vaults:
%s%srules: {%s: %s}
audit: {max_bytes: %d, checkpoint_key: notary/checkpoints, checkpoint_interval: 20ms}
log: {level: warn}
`, chainID, s.data, s.load.ipc, s.entry("vault", vault), s.entry("notary", notary), kind, filepath.Join(dir, rules), segment))
	for _, args := range [][]string{{"init", "--datadir", s.data}, {"rules", "attest", "--datadir", s.data, filepath.Join(dir, rules)}} {
		if err := s.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// asked are the digests that a vault was asked to sign.
type asked struct {
	mu      sync.Mutex
	digests map[common.Hash]bool
}

func (a *asked) add(digest []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.digests == nil {
		a.digests = map[common.Hash]bool{}
	}
	a.digests[common.BytesToHash(digest)] = true
}

func (a *asked) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]string, 0, len(a.digests))
	for digest := range a.digests {
		all = append(all, digest.Hex())
	}
	return all
}

// startVault starts a vault with a key.
func startVault(t *testing.T, name string, signing func(digest []byte)) (*emulator.Server, common.Address) {
	t.Helper()
	vault, err := emulator.Start(t.Context(), emulator.Options{Signing: signing})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	key, err := vault.CreateKey("dev", name)
	if err != nil {
		t.Fatal(err)
	}
	return vault, crypto.PubkeyToAddress(*key.Public)
}

// entry is a vault in the configuration.
func (s *stage) entry(name string, vault *emulator.Server) string {
	return fmt.Sprintf(`  - name: %s
    url: https://%s
    custom_endpoint: true
    authority: https://%[2]s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: %s_SECRET}
`, name, vault.Addr(), filepath.Join(s.dir, name+".pem"), vault.TenantID(), vault.ClientID(), strings.ToUpper(name))
}

func (s *stage) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command of the shipped binary to its end.
func (s *stage) run(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, s.shipped, args...)
	command.Env = s.env
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("kvclef %v: %w\n%s", args, err, text)
	}
	return nil
}

// serve starts a signer.
func (s *stage) serve(ctx context.Context, p plan) (*signer, error) {
	program, env := s.shipped, s.env
	if p.place != "" {
		program, env = s.failing, slices.Concat(s.env, []string{fmt.Sprintf("FAILPOINT_OF_KVCLEF=%s:%d", p.place, p.passing)})
	}
	return start(ctx, s.dir, program, env, "serve", "--config", filepath.Join(s.dir, "kvclef.yaml"))
}

func (s *stage) log() string   { return filepath.Join(s.data, "audit.log") }
func (s *stage) store() string { return filepath.Join(s.data, "state.db") }

// check reads what the last signer has left.
func (s *stage) check(ctx context.Context) error {
	for record, err := range audit.Entries(ctx, s.log(), s.books.last+1) {
		if errors.Is(err, os.ErrNotExist) && s.books.last == 0 {
			break // nobody has come to making it
		}
		if err != nil {
			return err
		}
		if err := s.books.enter(record.Entry); err != nil {
			return err
		}
	}
	var failures []error
	for _, tx := range s.load.given {
		failures = append(failures, s.books.receive(tx))
	}
	s.given, s.refused = s.given+len(s.load.given), s.refused+s.load.refused
	failures = append(failures, s.load.faults...)
	s.load.clear()
	summary, err := bolt.Inspect(ctx, s.store(), time.Now(), true)
	if err != nil {
		return errors.Join(append(failures, err)...)
	}
	if s.books.limits != nil {
		s.lacked, err = s.recover(ctx)
		failures = append(failures, err)
	}
	return errors.Join(append(failures, s.books.balance(summary.Values, s.asked.all()))...)
}

// verify checks the whole chain.
func (s *stage) verify(ctx context.Context) error {
	report, err := audit.Verify(ctx, s.log(), audit.VerifyOptions{Keys: []common.Address{s.auditor}})
	if err != nil {
		return err
	}
	if report.Last != s.books.last {
		return fmt.Errorf("the log ends with entry %d, and %d were read", report.Last, s.books.last)
	}
	if report.Checkpoint == nil {
		return errors.New("the log has no checkpoint")
	}
	s.segments = report.Segments
	return nil
}

// end starts the signer once more, uses it, ends it in good order, and checks all.
func (s *stage) end(ctx context.Context) error {
	running, err := s.serve(ctx, plan{})
	if err != nil {
		return err
	}
	if up, err := running.await(ctx); err != nil || !up {
		return fmt.Errorf("starting once more: %w", err)
	}
	client, err := rpc.DialContext(ctx, s.load.ipc)
	if err != nil {
		return err
	}
	for range clients { // of which the state has not all at once
		s.load.send(ctx, client, s.load.nonce.Add(1), 1)
	}
	client.Close()
	err = errors.Join(running.stop(), s.check(ctx), s.verify(ctx), s.run(ctx, "audit", "verify", "--datadir", s.data))
	if s.lacked != (store.LogHead{}) {
		err = errors.Join(err, fmt.Errorf("the state was closed, and needs what is in the log after entry %d", s.lacked.Seq))
	}
	if s.books.stops != 1 {
		err = errors.Join(err, fmt.Errorf("the log has %d ends in good order, not 1", s.books.stops))
	}
	if recorded := s.tally.torn - s.unrecorded; s.books.recoveries != recorded {
		err = errors.Join(err, fmt.Errorf("the log records %d unfinished lines, and there were %d", s.books.recoveries, recorded))
	}
	return err
}

// keep copies the data directory to where it outlives the test, for a person
// to look at.
func (s *stage) keep() string {
	_ = os.Remove(filepath.Join(s.data, "admin.sock")) // no file to copy
	dir, err := os.MkdirTemp("", "kvclef-crash-")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(s.data))
	}
	if err != nil {
		return err.Error()
	}
	return dir
}
