//go:build linux || darwin

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// approvedSigner is a signer whose payments alice approves, who is the user that
// runs the test.
type approvedSigner struct {
	dir, http string
	account   common.Address
	stop      func() // and waits for its end, which must be a good one
}

// startApproved starts a signer. The wait is that of the quorum, and more keys go
// into the configuration.
func startApproved(t *testing.T, wait, more string) *approvedSigner {
	t.Helper()
	dir := t.TempDir()
	s := &approvedSigner{dir: filepath.Join(dir, "data")}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := write("kvclef.yaml", fmt.Sprintf("approvals:\n  people: {alice: {uid: %d}}\nlisteners: {http: {port: 0}}\n%s", os.Getuid(), more))
	policy := write("policy.yaml", `
version: 1
approvals: {owner: {threshold: 1, of: [alice], requester: included, wait: `+wait+`}}
rules:
  - {id: list, effect: allow, match: {kind: [list], principal: [local, anonymous]}}
  - {id: pay, effect: allow, match: {principal: [local, anonymous], kind: [transaction], plain: true, value_max: "1 ether"}, approvals: owner}
`)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stdout, stderr := new(lockedBuffer), new(lockedBuffer)
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"kvclef", "dev", "--config", cfg, "--policy", policy, "--datadir", s.dir}, strings.NewReader(""), stdout, stderr)
	}()
	s.stop = func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
		ended <- exitOK
	}
	t.Cleanup(s.stop)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	limit := time.After(patienceInTests)
	for s.http == "" {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("it does not start: %s", stderr.String())
		}
		for line := range strings.Lines(stdout.String()) {
			if url, found := strings.CutPrefix(line, "HTTP     "); found && strings.HasSuffix(line, "\n") {
				s.http = strings.TrimSpace(url)
			}
			if account, found := strings.CutPrefix(line, "Account  "); found && len(account) > 42 {
				s.account = common.HexToAddress(account[:42])
			}
		}
	}
	return s
}

// pay asks for a payment with a nonce.
func (s *approvedSigner) pay(t *testing.T, endpoint string, nonce uint64) error {
	client, err := rpc.DialContext(t.Context(), endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	var signed json.RawMessage
	return client.CallContext(ctx, &signed, "account_signTransaction", map[string]any{
		"from": s.account.Hex(), "to": s.account.Hex(), "value": "0x1", "nonce": hexutil.Uint64(nonce), "gas": "0x5208", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1", "chainId": "0x539",
	})
}

// opened waits until so many tickets are open, and returns the id of the newest.
func (s *approvedSigner) opened(t *testing.T, n int) (*approvals.Client, string) {
	t.Helper()
	client, err := approvals.Connect(t.Context(), filepath.Join(s.dir, "approvals.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	var id string
	err = client.Watch(ctx, func(notice approvals.Notice) error {
		listing, err := client.List(ctx, true, n)
		if err != nil || len(listing.Tickets) < n {
			return err
		}
		id = listing.Tickets[0].ID
		return errNotYet // enough was seen
	})
	if id == "" {
		t.Fatalf("no ticket: %v", err)
	}
	return client, id
}

// TestCallersWait: a caller over HTTP waits for people, and has the signature as soon
// as they have approved.
func TestCallersWait(t *testing.T) {
	t.Parallel()
	s := startApproved(t, "1m", "")
	told := make(chan error, 1)
	go func() { told <- s.pay(t, s.http, 0) }()
	client, id := s.opened(t, 1)
	shown, err := client.Show(t.Context(), id)
	if err == nil {
		_, err = client.Vote(t.Context(), id, approvals.Vote{Hash: shown.Ticket.Hash.Hex(), Approve: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Errorf("after the approval: %v", err)
	}
}

// TestCallersAreTold: whoever waits longer than the listener answers is told of the
// ticket before.
func TestCallersAreTold(t *testing.T) {
	t.Parallel()
	s := startApproved(t, "5m", "limits: {request_timeout: 2s}\n")
	if err := s.pay(t, s.http, 0); err == nil || !strings.Contains(err.Error(), "waits for 1 of owner until") {
		t.Errorf("told %v", err)
	}
}

// TestCallersAtTheEnd: when the signer ends, whoever waits for people is told to come
// back, and it ends well.
func TestCallersAtTheEnd(t *testing.T) {
	t.Parallel()
	s := startApproved(t, "5m", "")
	endpoints := []string{s.http, filepath.Join(s.dir, "kvclef.ipc")}
	told := make(chan error, len(endpoints))
	for i, endpoint := range endpoints {
		go func() { told <- s.pay(t, endpoint, uint64(i)) }()
	}
	s.opened(t, len(endpoints))
	s.stop()
	for range endpoints {
		if err := <-told; err == nil || !strings.Contains(err.Error(), "waits for 1 of owner until") {
			t.Errorf("told %v", err)
		}
	}
}

// TestPeopleAreKnown: who a user is, and who may be the one who asks.
func TestPeopleAreKnown(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("kvclef.yaml", []byte("approvals:\n  people: {root: {uid: 0}, alice: {uid: 1000, principals: [laptop]}, bob: {uid: 1001}, carol: , dave: {oidc: \"oid:7F0C-1\"}, erin: {oidc: Erin@example.com}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	who := personOf(cfg.Approvals.People)
	for uid, want := range map[uint32]string{0: "root", 1000: "alice", 1001: "bob", 1002: ""} {
		if got := who(uid); got != want {
			t.Errorf("the user id %d is %q, want %q", uid, got, want)
		}
	}
	if who := personOf(nil); who(0) != "" {
		t.Error("root is somebody without being configured")
	}
	same := samePerson(cfg.Approvals.People, 1000, nil)
	users, err := (&config.IPC{Principals: map[string]string{"1001": "batcher"}}).Users()
	if err != nil {
		t.Fatal(err)
	}
	apart := samePerson(cfg.Approvals.People, 1000, users.Principal)
	for principal, want := range map[string]bool{"batcher": true, "uid:1001": true, "bob": true, "uid:1000": false, "local": false} {
		if got := apart(principal, "ipc", "bob"); got != want {
			t.Errorf("%s is bob: %v", principal, got)
		}
	}
	for _, c := range []struct {
		principal, transport, person string
		want                         bool
	}{
		{"alice", "http", "alice", true},
		{"laptop", "http", "alice", true},
		{"laptop", "http", "bob", false},
		{"local", "ipc", "alice", true}, // the signer's own user
		{"local", "ipc", "root", true},  // who may use every socket
		{"local", "ipc", "bob", false},
		{"local", "ipc", "carol", false},
		{"anonymous", "http", "alice", false},
		{"local", "ipc", "nobody", false},
		{"7F0C-1", "http", "dave", true}, // by a token of the issuer that it signs in by
		{"7f0c-1", "http", "dave", true},
		{"oid", "http", "dave", false},
		{"7F0C-1", "http", "erin", false},
		{"erin@example.com", "http", "erin", true},
		{"erin@example.com", "http", "dave", false},
		{"", "http", "carol", false},
	} {
		if got := same(c.principal, c.transport, c.person); got != c.want {
			t.Errorf("%s over %s is %s: %v", c.principal, c.transport, c.person, got)
		}
	}
}

// TestNobodyIsSigner: listing what waits needs a signer, and says so on one line.
func TestNobodyIsSigner(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	code := run(t.Context(), []string{"kvclef", "approvals", "show", "abcdefgh234567ab", "--approvals.socket", filepath.Join(t.TempDir(), "none.sock")}, strings.NewReader(""), &said, &said)
	if code != exitFailure || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}
