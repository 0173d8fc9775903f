//go:build linux

package replicas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// hostedPolicy bounds nothing that the test asks for.
const hostedPolicy = `version: 1
rules:
  - id: send
    effect: allow
    match: {kind: [transaction], principal: [` + caller + `]}
    limits:
      - {id: day, measure: value, max: 1 ether, window: 24h, per: [account]}
`

// newHostedHouse makes one whose replicas have no vaults, and serve what is posted to
// them. One key is in two vaults, as after a restore.
func newHostedHouse(t *testing.T) (*house, *devnet.Node) {
	t.Helper()
	_ = program(t) // or there is nothing to do
	database := pgtest.Start(t)
	h := &house{dir: t.TempDir(), program: program(t), database: database, dsn: database.TCP(database.Database(t)), hosts: true}
	var err error
	h.vault, err = emulator.Start(t.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}, {Name: "kv-copy"}}})
	must(t, err)
	t.Cleanup(func() { _ = h.vault.Close() })
	key, err := crypto.GenerateKey()
	must(t, err)
	for _, name := range []string{"kv-prod", "kv-copy"} {
		_, err := h.vault.ImportKey(name, "payer", key)
		must(t, err)
	}
	h.account = crypto.PubkeyToAddress(key.PublicKey)
	h.write(t, "vault.pem", string(h.vault.CAPEM()))
	h.write(t, "policy.yaml", hostedPolicy)
	h.certify(t)
	h.more = "proxy: {hosting_key_file: REPLICA.key, node: NODE, addr: 127.0.0.1, port: 0, poll_interval: 200ms, tls: CERTIFICATES}\n"
	geth, err := devnet.Geth(t.Context())
	must(t, err)
	node := h.mine(t, geth)
	h.serve, h.more = "serve", strings.Replace(h.more, "NODE", node.URL(), 1)
	for _, name := range names(3) {
		h.write(t, name+".key", strings.Repeat("5c", 32))
	}
	return h, node
}

// admin asks a replica's admin socket.
func (h *house) admin(t *testing.T, s *signer, method, route, body string) (status int, members map[string]any, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.path(s.name), "admin.sock"))
	}}}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://admin/api/v1/consortia/c1/environments/e1/"+route, strings.NewReader(body))
	must(t, err)
	response, err := client.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	if strings.Contains(string(raw), h.vault.ClientSecret()) {
		t.Errorf("%s %s tells the client secret", method, route)
	}
	_ = json.Unmarshal(raw, &members) // lists and nothing have no members
	return response.StatusCode, members, string(raw)
}

// asks is admin where the answer is known.
func (h *house) asks(t *testing.T, s *signer, method, route, body string, want int) map[string]any {
	t.Helper()
	status, members, text := h.admin(t, s, method, route, body)
	if status != want {
		t.Fatalf("%s: %s %s: %d, want %d: %s\n%s", s.name, method, route, status, want, text, s.log)
	}
	return members
}

// configuration posts the configuration of a vault to a replica, and returns its id.
func (h *house) configuration(t *testing.T, s *signer, vault string) string {
	t.Helper()
	id, _ := h.asks(t, s, http.MethodPost, "configurations", fmt.Sprintf(`{"type":"cloudhsm","name":%q,"membership_id":"m","details":{"provider":"azure",
		"target_address":"https://vault.azure.net","user_id":%q,"user_secret":%q,"subscription_id":"s","tenant_id":%q,"vault_name":%[1]q}}`,
		vault, h.vault.ClientID(), h.vault.ClientSecret(), h.vault.TenantID()), http.StatusCreated)["id"].(string)
	return id
}

func serviceOf(configuration string) string {
	return fmt.Sprintf(`{"name":"payouts","membership_id":"m","service":"cloudhsm","details":{"cloudhsm_id":%q,"chain_ids":[%d]}}`, configuration, devnet.ChainID)
}

// race posts services to replicas at the same time, each of one configuration, and returns
// the id of the one that is made.
func (h *house) race(t *testing.T, replicas []*signer, configurations ...string) (made string) {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	for i, configuration := range configurations {
		group.Go(func() {
			status, members, text := h.admin(t, replicas[i%len(replicas)], http.MethodPost, "services", serviceOf(configuration))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status == http.StatusCreated && made == "":
				made, _ = members["id"].(string)
			case status == http.StatusCreated:
				t.Errorf("two services of one account: %s and %s", made, text)
			case status != http.StatusConflict && status != http.StatusUnprocessableEntity || !strings.Contains(text, "same nonces"):
				t.Errorf("%d: %s", status, text)
			}
		})
	}
	group.Wait()
	if made == "" {
		t.Fatal("none was made")
	}
	var kept []struct{ ID string }
	for _, s := range replicas {
		_, _, text := h.admin(t, s, http.MethodGet, "services", "")
		if err := json.Unmarshal([]byte(text), &kept); err != nil || len(kept) != 1 || kept[0].ID != made {
			t.Errorf("%s keeps %s, and %s was made", s.name, text, made)
		}
	}
	return made
}

// service is where a replica answers for a service.
func (h *house) service(t *testing.T, s *signer, id string) *rpc.Client {
	t.Helper()
	return h.dial(t, s.proxy+"/services/"+id)
}

// once asks for a payment, whose number is in its value, one time.
func (h *house) once(t *testing.T, client *rpc.Client, number int) (hash common.Hash, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = client.CallContext(ctx, &hash, "eth_sendTransaction", map[string]any{
		"from": h.account, "to": common.HexToAddress("0x10000"), "value": hexutil.Uint64(number + 1),
	}, map[string]string{"idempotencyKey": fmt.Sprintf("payment-%d", number)})
	return hash, err
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-tick.C
	}
}

// deleted deletes a service at a replica, as soon as nothing of it is under way.
func (h *house) deleted(t *testing.T, s *signer, id string) {
	t.Helper()
	eventually(t, "the service is deleted", func() bool {
		status, _, text := h.admin(t, s, http.MethodDelete, "services/"+id, "")
		if status != http.StatusNoContent && (status != http.StatusConflict || !strings.Contains(text, "under way")) {
			t.Fatalf("%d: %s", status, text)
		}
		return status == http.StatusNoContent
	})
}

// TestHostedServices: what is posted to one replica is served by all, and what is deleted
// at one is served by none from then on, also by one that was stopped meanwhile. An
// account sends for one service alone, whoever posts at the same time. A replica and the
// database are killed. Every payment is mined once, with consecutive nonces.
func TestHostedServices(t *testing.T) {
	t.Parallel()
	h, node := newHostedHouse(t)
	replicas := h.open(t, 2)
	a, b := replicas[0], replicas[1]
	prod, other := h.configuration(t, a, "kv-prod"), h.configuration(t, b, "kv-copy")
	id := h.race(t, replicas, prod, prod, prod, prod)
	for _, s := range replicas { // a balancer asks
		if lacks := unready(t, s); lacks != "" {
			t.Errorf("%s is not ready: %s", s.name, lacks)
		}
	}

	// Both send, and a key that one knows the other knows.
	hashes := make([]common.Hash, 2)
	for i, s := range replicas {
		hashes[i] = h.sent(t, h.service(t, s, id), 0)
	}
	if hashes[0] != hashes[1] {
		t.Errorf("one key has two transactions: %v", hashes)
	}
	var group sync.WaitGroup
	for i, s := range replicas {
		client := h.service(t, s, id)
		group.Go(func() {
			for n := range 5 {
				h.sent(t, client, 1+2*n+i)
			}
		})
	}
	group.Wait()
	for _, s := range replicas {
		status, _, text := h.admin(t, s, http.MethodPost, "services", serviceOf(other))
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, "for the service "+id+" already") {
			t.Errorf("the same account for another service: %d: %s", status, text)
		}
	}

	// One that was killed serves it again.
	b.end(t, syscall.SIGKILL)
	h.sent(t, h.service(t, a, id), 11)
	b = h.start(t, b.name)
	replicas[1] = b
	h.sent(t, h.service(t, b, id), 12)

	// Without the database nobody signs.
	h.database.Kill()
	for _, s := range replicas {
		if hash, err := h.once(t, h.service(t, s, id), 13); err == nil {
			t.Errorf("%s sends %v without the database", s.name, hash)
		}
	}
	must(t, h.database.Start(t.Context()))
	for i, s := range replicas {
		h.sent(t, h.service(t, s, id), 14+i)
	}

	// One that is stopped does not hear that it is deleted, and sends nothing all the same
	// when it goes on: its account is another service's by then.
	stale := h.service(t, b, id)
	h.sent(t, stale, 16) // over a connection that stays
	b.signal(t, syscall.SIGSTOP)
	h.deleted(t, a, id)
	next := h.race(t, replicas[:1], other, prod)
	h.sent(t, h.service(t, a, next), 17)
	b.signal(t, syscall.SIGCONT)
	number := 18
	eventually(t, "the replica that was stopped hears that the service is deleted", func() bool {
		hash, err := h.once(t, stale, number)
		if err == nil {
			t.Fatalf("it sends %v for a deleted service", hash)
		}
		number++
		var status rpc.HTTPError
		return errors.As(err, &status) && status.StatusCode == http.StatusNotFound
	})
	h.sent(t, h.service(t, b, next), 18)

	// What is deleted at one is refused at the other at once, not only when that hears of
	// it: also what is signed and not sent.
	signs := h.service(t, b, next)
	must(t, h.signs(t, signs))
	h.deleted(t, a, next)
	if err := h.signs(t, signs); err == nil {
		t.Error("it signs for a deleted service")
	}

	last := h.race(t, replicas, prod, other)
	for i, s := range replicas {
		h.sent(t, h.service(t, s, last), 19+i)
	}
	h.minedOnce(t, node, 21, 13)
	for i := range replicas {
		replicas[i].end(t, syscall.SIGTERM)
	}
	h.verify(t, 2)
}

// signs asks for the signature on a payment, which is not sent.
func (h *house) signs(t *testing.T, client *rpc.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return client.CallContext(ctx, new(json.RawMessage), "eth_signTransaction", map[string]any{
		"from": h.account, "to": common.HexToAddress("0x10000"), "gas": "0x5208", "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
		"value": "0x1", "nonce": "0x1000", "chainId": (*hexutil.Big)(big.NewInt(devnet.ChainID)),
	})
}

// minedOnce waits until each of so many payments is mined, but for those that need not be,
// and checks that none is twice, and that no nonce is missing.
func (h *house) minedOnce(t *testing.T, node *devnet.Node, payments int, except ...int) {
	t.Helper()
	client := node.Client()
	signer := types.LatestSignerForChainID(big.NewInt(devnet.ChainID))
	times := make(map[int]int)
	mined, next := 0, uint64(0)
	eventually(t, "all payments are mined", func() bool {
		head, err := client.BlockNumber(t.Context())
		must(t, err)
		for ; next <= head; next++ {
			block, err := client.BlockByNumber(t.Context(), new(big.Int).SetUint64(next))
			must(t, err)
			for _, tx := range block.Transactions() {
				if from, err := types.Sender(signer, tx); err != nil || from != h.account || tx.Nonce() != uint64(mined) {
					t.Errorf("the transaction after %d is of %v and has the nonce %d, %v", mined, from, tx.Nonce(), err)
				}
				times[int(tx.Value().Int64())-1]++
				mined++
			}
		}
		for number := range payments {
			if times[number] == 0 && !slices.Contains(except, number) {
				return false
			}
		}
		return true
	})
	pending, err := client.PendingNonceAt(t.Context(), h.account)
	must(t, err)
	if pending != uint64(mined) {
		t.Errorf("%d are mined, and %d sent", mined, pending)
	}
	for number, n := range times {
		if n != 1 || number >= payments {
			t.Errorf("payment %d is mined %d times", number, n)
		}
	}
}

// TestHostedKey: a replica with another key does not start, and says which file to copy and
// from where. One whose own vaults would send beside hosted services does not either,
// whether it serves those or not.
func TestHostedKey(t *testing.T) {
	t.Parallel()
	h, _ := newHostedHouse(t)
	h.open(t, 1)
	h.write(t, "signer-1.key", strings.Repeat("5d", 32))
	h.configure(t, "signer-1", h.dsn)
	h.refuses(t, "signer-1", `copy the file that proxy.hosting_key_file names at the replica "signer-0"`)
	h.hosts = false
	h.configure(t, "signer-2", h.dsn)
	h.refuses(t, "signer-2", `vaults: "vault" has keys, such as of the account `)
	h.more = strings.Replace(h.more, "hosting_key_file: REPLICA.key, ", "", 1)
	h.configure(t, "signer-2", h.dsn)
	h.refuses(t, "signer-2", `hosted services send from this schema, as the replica "signer-0" began it`)
}

// refuses wants a replica that does not start, and says why.
func (h *house) refuses(t *testing.T, name, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	text, err := h.command(ctx, name, h.serve).CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(text), why) {
		t.Errorf("%s: %v\n%s\nwant %q", name, err, text, why)
	}
}
