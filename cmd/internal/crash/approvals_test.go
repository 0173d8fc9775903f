package crash_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// TestApprovals kills the signer between the last approval and the answer to the
// caller, at each place there is: what people approved is signed once at most, never
// without their votes, and never again after a restart. Killed before the approval is
// used, it is still there.
func TestApprovals(t *testing.T) {
	t.Parallel()
	a := newApproving(t, build(t))
	for _, place := range []string{
		"decider.before-decide", "decider.after-decide", "auditor.before-decision", "auditor.after-decision", "signer.before-sign", "signer.after-sign",
		"decider.before-settle", "decider.after-settle", "auditor.before-outcome", "auditor.after-outcome",
	} {
		message := hexutil.Encode([]byte("killed at " + place))
		ticket := a.opened(t, message)
		a.approve(t, ticket)
		a.killed(t, place, message)
		again := a.asked(t, message)
		unused := place == "decider.before-decide"
		switch signed := a.signings(); {
		case unused && (again != nil || signed != 1):
			t.Errorf("%s: %v, and %d signatures, want one", place, again, signed)
		// It may have been signed; or it was, and the same request is another one.
		case !unused && (again == nil || !regexp.MustCompile("ticket "+ticket+" was used, and a signature may have been made|ticket [a-z2-7]+ waits for").MatchString(again.Error())):
			t.Errorf("%s: %v", place, again)
		case signed > 1:
			t.Errorf("%s: signed %d times", place, signed)
		}
	}
	if err := a.run(t.Context(), "audit", "verify", "--datadir", a.data); err != nil {
		t.Error(err)
	}
}

// approving is a signer whose every request alice must approve.
type approving struct {
	*stage
	account common.Address

	mu     sync.Mutex
	signed int // since it was asked
}

func newApproving(t *testing.T, p programs) *approving {
	t.Helper()
	dir := t.TempDir()
	a := &approving{stage: &stage{programs: p, dir: dir, data: filepath.Join(dir, "data")}}
	a.vault, a.account = startVault(t, "treasury", func([]byte) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.signed++
	})
	a.env = []string{"HOME=" + dir, "VAULT_SECRET=" + a.vault.ClientSecret()}
	a.load.ipc = filepath.Join(dir, "s.ipc")
	a.write(t, "vault.pem", a.vault.CAPEM())
	a.write(t, "kvclef.yaml", fmt.Appendf(nil, `
chainids: [%d]
datadir: %s
listeners: {ipc: {path: %s}}
vaults:
%slog: {level: warn}
approvals:
  people: {alice: {uid: %d}}
  default: {of: [alice], requester: included, wait: 0s}
`, chainID, a.data, a.load.ipc, a.entry("vault", a.vault), os.Getuid()))
	if err := a.run(t.Context(), "init", "--datadir", a.data); err != nil {
		t.Fatal(err)
	}
	return a
}

// signings is how often the vault has signed since it was asked last.
func (a *approving) signings() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	signed := a.signed
	a.signed = 0
	return signed
}

// with runs a signer while something is done. One that is to be killed ends by itself.
func (a *approving) with(t *testing.T, place plan, do func(client *rpc.Client)) {
	t.Helper()
	s, err := a.serve(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := s.await(t.Context()); !ready || err != nil {
		t.Fatalf("not ready: %v", err)
	}
	client, err := rpc.DialContext(t.Context(), a.load.ipc)
	if err != nil {
		t.Fatal(err)
	}
	do(client)
	client.Close()
	if place.place != "" {
		err = s.dead()
	} else {
		err = s.stop()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// asked asks for a signature, of a signer that runs for that.
func (a *approving) asked(t *testing.T, message string) (err error) {
	t.Helper()
	a.with(t, plan{}, func(client *rpc.Client) {
		err = client.CallContext(t.Context(), nil, "account_signData", "text/plain", a.account, message)
	})
	return err
}

// opened asks for a signature, and returns the ticket that waits.
func (a *approving) opened(t *testing.T, message string) string {
	t.Helper()
	err := a.asked(t, message)
	var data rpc.DataError
	if !errors.As(err, &data) {
		t.Fatalf("%v", err)
	}
	members, _ := data.ErrorData().(map[string]any)
	ticket, _ := members["ticket"].(string)
	if ticket == "" {
		t.Fatalf("no ticket: %v", err)
	}
	return ticket
}

// approve has alice approve a ticket, as she does it in her terminal.
func (a *approving) approve(t *testing.T, ticket string) {
	t.Helper()
	a.with(t, plan{}, func(*rpc.Client) {
		show := exec.CommandContext(t.Context(), a.shipped, "approvals", "show", ticket, "--json", "--datadir", a.data)
		show.Env = a.env
		text, err := show.Output()
		if err != nil {
			t.Fatal(err)
		}
		hash := regexp.MustCompile(`"hash": *"(0x[0-9a-f]{64})"`).FindSubmatch(text)
		if hash == nil || !json.Valid(text) {
			t.Fatalf("no hash: %s", text)
		}
		if err := a.run(t.Context(), "approvals", "approve", ticket, "--yes", "--hash", string(hash[1]), "--datadir", a.data); err != nil {
			t.Fatal(err)
		}
	})
}

// killed asks for a signature of a signer that dies of it.
func (a *approving) killed(t *testing.T, place, message string) {
	t.Helper()
	a.with(t, plan{place: place, passing: 1}, func(client *rpc.Client) {
		if err := client.CallContext(t.Context(), nil, "account_signData", "text/plain", a.account, message); err == nil {
			t.Errorf("%s: an answer of the dead", place)
		}
	})
}
