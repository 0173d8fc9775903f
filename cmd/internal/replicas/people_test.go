//go:build linux

package replicas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// peoplesPolicy lets nothing be sent that alice does not approve.
const peoplesPolicy = `version: 1
approvals:
  finance: {threshold: 1, of: [alice], wait: 0s}
rules:
  - id: send
    effect: allow
    match: {kind: [transaction], method: eth_sendTransaction, principal: [` + caller + `]}
    approvals: finance
    limits:
      - {id: day, measure: value, max: 1 ether, window: 24h, per: [account]}
`

// newPeople makes a house whose replicas ask alice, in front of a node.
func newPeople(t *testing.T) (*house, *devnet.Node) {
	t.Helper()
	h := newHouse(t, peoplesPolicy)
	h.more = fmt.Sprintf("approvals: {people: {alice: {uid: %d}}}\n", os.Getuid())
	node := h.inFront(t)
	return h, node
}

// TestPeopleApproveAtAnother: the replica that a caller asked is killed while people think.
// They approve at another, where its caller gets what they approved, though fees have
// moved; it is mined once, and told again by the first when that is back.
func TestPeopleApproveAtAnother(t *testing.T) {
	t.Parallel()
	h, node := newPeople(t)
	replicas := h.open(t, 2)
	one, other := replicas[0], replicas[1]

	id := h.ticket(t, one, "invoice")
	asked := latest(t, node)
	one.end(t, syscall.SIGKILL)
	awaitFee(t, node, asked)
	if again := h.ticket(t, other, "invoice"); again != id {
		t.Fatalf("another ticket, %s after %s:\n%s", again, id, h.run(t, other.name, "approvals", "show", again))
	}
	h.approve(t, other, id)
	hash, err := h.invoice(t, other, "invoice")
	must(t, err)
	awaitMined(t, node, hash)

	back := h.start(t, one.name)
	if again, err := h.invoice(t, back, "invoice"); err != nil || again != hash {
		t.Errorf("%v, %v, after %v", again, err, hash)
	}
	if second := h.ticket(t, back, "another invoice"); second == id {
		t.Error("one approval is for two payments")
	}
	if sent := h.sentBy(t, node); len(sent) != 1 || sent[0].Hash() != hash || sent[0].Nonce() != 0 {
		t.Errorf("%d are mined", len(sent))
	}
	for _, s := range []*signer{back, other} {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 2)
}

// TestPeopleApproveWhileAllAreGone: a replica that was killed and started again sends what
// people were asked about before.
func TestPeopleApproveWhileAllAreGone(t *testing.T) {
	t.Parallel()
	h, node := newPeople(t)
	s := h.open(t, 1)[0]
	id := h.ticket(t, s, "")
	asked := latest(t, node)
	h.approve(t, s, id)
	s.end(t, syscall.SIGKILL)
	h.database.Kill()
	must(t, h.database.Start(t.Context()))
	awaitFee(t, node, asked)
	s = h.start(t, s.name)
	hash, err := h.invoice(t, s, "")
	must(t, err)
	awaitMined(t, node, hash)
	if sent := h.sentBy(t, node); len(sent) != 1 {
		t.Errorf("%d are mined", len(sent))
	}
	s.end(t, syscall.SIGTERM)
	h.verify(t, 1)
}

// invoice asks a replica to pay one, whose idempotency key is "" if it has none.
func (h *house) invoice(t *testing.T, s *signer, key string) (hash common.Hash, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []any{map[string]any{"from": h.account, "to": common.HexToAddress("0x10000"), "value": "0x1"}}
	if key != "" {
		args = append(args, map[string]string{"idempotencyKey": key})
	}
	err = h.dial(t, s.proxy).CallContext(ctx, &hash, "eth_sendTransaction", args...)
	return hash, err
}

// ticket asks a replica to pay an invoice, and returns the ticket that it is told of.
func (h *house) ticket(t *testing.T, s *signer, key string) string {
	t.Helper()
	hash, err := h.invoice(t, s, key)
	var of rpc.DataError
	if errors.As(err, &of) {
		if data, ok := of.ErrorData().(map[string]any); ok && data["ticket"] != nil {
			return fmt.Sprint(data["ticket"])
		}
	}
	t.Fatalf("no ticket, but %v, %v\n%s", hash, err, s.log)
	return ""
}

// approve votes for a ticket at a replica, as it is shown there.
func (h *house) approve(t *testing.T, s *signer, id string) {
	t.Helper()
	var shown struct {
		Hash string `json:"hash"`
	}
	must(t, json.Unmarshal([]byte(h.run(t, s.name, "approvals", "show", id, "--json")), &shown))
	h.run(t, s.name, "approvals", "approve", id, "--yes", "--hash", shown.Hash)
}

// latest returns the head of the chain.
func latest(t *testing.T, node *devnet.Node) *types.Header {
	t.Helper()
	head, err := node.Client().HeaderByNumber(t.Context(), nil)
	must(t, err)
	return head
}

// awaitFee waits until the base fee is another.
func awaitFee(t *testing.T, node *devnet.Node, than *types.Header) {
	t.Helper()
	await(t, "another base fee", func() bool { return latest(t, node).BaseFee.Cmp(than.BaseFee) != 0 })
}

// awaitMined waits until a transaction is mined.
func awaitMined(t *testing.T, node *devnet.Node, hash common.Hash) {
	t.Helper()
	await(t, "the transaction in a block", func() bool {
		receipt, err := node.Client().TransactionReceipt(t.Context(), hash)
		return err == nil && receipt.Status == types.ReceiptStatusSuccessful
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("there is not %s", what)
		}
		<-tick.C
	}
}

// sentBy returns what the account has sent, mined and waiting.
func (h *house) sentBy(t *testing.T, node *devnet.Node) (sent types.Transactions) {
	t.Helper()
	client := node.Client()
	head := latest(t, node).Number
	for number := new(big.Int); number.Cmp(head) <= 0; number.Add(number, common.Big1) {
		block, err := client.BlockByNumber(t.Context(), number)
		must(t, err)
		sent = append(sent, block.Transactions()...)
	}
	pending, err := client.PendingNonceAt(t.Context(), h.account)
	must(t, err)
	if pending != uint64(len(sent)) {
		t.Errorf("%d are mined, and %d sent", len(sent), pending)
	}
	return sent
}
