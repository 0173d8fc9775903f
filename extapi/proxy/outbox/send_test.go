package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// TestSend: nonces follow each other, and a busy sender costs the node two calls for
// a transaction.
func TestSend(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 5 {
		hash := w.mustSend(t, w.transfer(t, i), "")
		w.wantState(t, hash, StateSent)
	}
	if n := w.node.called("eth_getTransactionCount"); n != 2 {
		t.Errorf("the node was asked %d times for a count, want 2", n)
	}
	if n := w.node.called("eth_getBlockByNumber") + w.node.called("eth_maxPriorityFeePerGas"); n != 2 {
		t.Errorf("the node was asked %d times for fees, want 2", n)
	}
	req := w.vault.last(t)
	if req.Method != "eth_sendTransaction" || strings.Join(req.Filled, ",") != "chainId,gas,maxFeePerGas,maxPriorityFeePerGas,nonce" {
		t.Errorf("asked is %s with %v filled in", req.Method, req.Filled)
	}
	w.block(t)
	mined := w.node.minedOf(t, w.vault.address(0))
	if len(mined) != 5 {
		t.Fatalf("%d mined", len(mined))
	}
	for i, tx := range mined {
		if tx.Nonce() != uint64(i) {
			t.Errorf("nonce %d at %d", tx.Nonce(), i)
		}
		w.wantState(t, tx.Hash(), StateMined)
	}
	for range 12 {
		w.block(t)
	}
	if tx := w.wantState(t, mined[0].Hash(), StateFinal); tx.Raw != nil {
		t.Error("its bytes are still kept")
	}
}

// TestSendTogether: many senders of several accounts leave no gap, whether or not
// their requests are refused.
func TestSendTogether(t *testing.T) {
	w := newWorld(t, nil)
	w.vault.deny = func(req *rules.Request) bool { return req.Transaction.Value().Int64()%5 == 4 }
	var group sync.WaitGroup
	sent := make(chan common.Hash, 300)
	for i := range 300 {
		partial := w.tx(t, `{"from":"%v","to":"%v","value":"%#x"}`, w.vault.address(i%3), w.vault.address(1), i)
		group.Go(func() {
			if hash, err := w.Send(t.Context(), partial, ""); err == nil {
				sent <- hash
			}
		})
	}
	group.Wait()
	w.block(t)
	if w.node.pooled() != 0 || len(sent) != 240 {
		t.Errorf("%d sent, %d wait in the pool", len(sent), w.node.pooled())
	}
	for range len(sent) {
		w.wantState(t, <-sent, StateMined)
	}
}

// TestRefusalsGiveTheNonceBack: after what is certainly not under way the nonce is
// free, and the caller is told what the node or the signer said.
func TestRefusalsGiveTheNonceBack(t *testing.T) {
	w := newWorld(t, nil)
	w.vault.deny = func(req *rules.Request) bool { return req.Transaction.Value().Int64() == 666 }
	w.mustSend(t, w.transfer(t, 1), "")
	if _, err := w.Send(t.Context(), w.transfer(t, 666), ""); err == nil || err.Error() != "request denied" {
		t.Errorf("a denied one: %v", err)
	}
	w.vault.set(func(v *vault) { v.fail = func() error { return errors.New("the vault is on fire") } })
	if _, err := w.Send(t.Context(), w.transfer(t, 2), ""); err == nil {
		t.Error("an unsigned one is sent")
	}
	w.vault.set(func(v *vault) { v.fail = nil })
	w.node.failOnce("eth_sendRawTransaction", false, &saidError{-32003, "insufficient funds for gas * price + value: balance 0", map[string]int{"have": 0}})
	_, err := w.Send(t.Context(), w.transfer(t, 3), "")
	var code rpc.Error
	var data rpc.DataError
	if !errors.As(err, &code) || code.ErrorCode() != -32003 || !strings.HasPrefix(err.Error(), "insufficient funds") || !errors.As(err, &data) {
		t.Fatalf("the node's error is passed on as %v", err)
	}
	if text, _ := json.Marshal(data.ErrorData()); string(text) != `{"have":0}` {
		t.Errorf("its data is %s", text)
	}
	w.mustSend(t, w.transfer(t, 4), "")
	w.block(t)
	if mined := w.node.minedOf(t, w.vault.address(0)); len(mined) != 2 || w.node.pooled() != 0 {
		t.Errorf("%d mined, %d wait", len(mined), w.node.pooled())
	}
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || len(listing.Transactions) != 3 || listing.Lanes[0].Next != 2 {
		t.Fatalf("%+v, %v", listing, err)
	}
	for _, tx := range listing.Transactions {
		if tx.Value.Int64() != 3 {
			continue
		}
		kept := w.wantState(t, tx.Hash, StateRejected)
		if kept.Refusal == nil || len(kept.Raw) == 0 {
			t.Errorf("the refused one is %+v", kept)
		}
	}
}

// TestTheSameAgain: what a node refused can be sent again as it was, with the same
// signature.
func TestTheSameAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	if _, err := w.Send(t.Context(), w.transfer(t, 3), ""); err == nil {
		t.Fatal("it was accepted")
	}
	hash := w.mustSend(t, w.transfer(t, 3), "") // signing is deterministic here: it has the same hash
	w.block(t)
	w.wantState(t, hash, StateMined)
}

// TestUnclearAnswersKeepTheNonce: after everything that leaves open whether the node
// has it, the caller has a hash, and nothing is signed anew.
func TestUnclearAnswersKeepTheNonce(t *testing.T) {
	for _, made := range []bool{false, true} {
		for name, fault := range map[string]error{
			"reset":    errReset,
			"timeout":  context.DeadlineExceeded,
			"502":      rpc.HTTPError{StatusCode: 502, Status: "502 Bad Gateway", Body: []byte("<html>")},
			"garbage":  errors.New("invalid character '<' looking for beginning of value"),
			"internal": &saidError{-32603, "internal error", nil},
			"unheard":  &saidError{-32000, "the stars are not right", nil},
		} {
			t.Run(fmt.Sprintf("%s, taken %v", name, made), func(t *testing.T) {
				w := newWorld(t, nil)
				w.node.failOnce("eth_sendRawTransaction", made, fault)
				hash := w.mustSend(t, w.transfer(t, 1), "")
				w.wantState(t, hash, StateUnsure)
				next := w.mustSend(t, w.transfer(t, 2), "")
				w.step(t.Context())
				w.wantState(t, hash, StateSent)
				w.block(t)
				w.wantState(t, hash, StateMined)
				w.wantState(t, next, StateMined)
				if w.vault.signatures() != 2 {
					t.Errorf("%d were signed", w.vault.signatures())
				}
			})
		}
	}
}

// TestTakenNonces: a nonce that others used is seen, and another one is taken.
func TestTakenNonces(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	// Somebody else sends with the same key, which the lane does not know of.
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	other.mustSend(t, other.transfer(t, 10), "")
	hash := w.mustSend(t, w.transfer(t, 2), "") // "replacement transaction underpriced"
	if tx := w.wantState(t, hash, StateSent); tx.Nonce != 2 {
		t.Errorf("it has nonce %d", tx.Nonce)
	}
	other.mustSend(t, other.transfer(t, 20), "")
	w.node.mine()
	hash = w.mustSend(t, w.transfer(t, 3), "") // "nonce too low"
	w.block(t)
	if tx := w.wantState(t, hash, StateMined); tx.Nonce != 4 {
		t.Errorf("it has nonce %d", tx.Nonce)
	}
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || len(listing.Transactions) != 5 {
		t.Errorf("%+v, %v", listing, err)
	}
	// A node that says so, and counts otherwise, is not believed.
	signed := w.vault.signatures()
	w.node.failOnce("eth_sendRawTransaction", false, says("nonce too low"))
	hash = w.mustSend(t, w.transfer(t, 4), "")
	w.wantState(t, hash, StateUnsure)
	w.step(t.Context())
	w.block(t)
	w.wantState(t, hash, StateMined)
	if w.vault.signatures() != signed+1 {
		t.Error("it was signed again")
	}
}

// TestGivenNonces: the caller's nonce is used as it is.
func TestGivenNonces(t *testing.T) {
	w := newWorld(t, nil)
	nonce := func(n, value int) *extapi.PartialTransaction {
		return w.tx(t, `{"to":"%v","value":"%#x","nonce":"%#x"}`, w.vault.address(1), value, n)
	}
	w.mustSend(t, nonce(0, 1), "")
	far := w.mustSend(t, nonce(2, 1), "")
	if tx := w.wantState(t, w.mustSend(t, w.transfer(t, 2), ""), StateSent); tx.Nonce != 1 {
		t.Errorf("the lane is at %d", tx.Nonce)
	}
	if tx := w.wantState(t, w.mustSend(t, w.transfer(t, 3), ""), StateSent); tx.Nonce != 3 {
		t.Errorf("the lane is at %d", tx.Nonce)
	}
	if _, err := w.Send(t.Context(), nonce(2, 9), ""); err == nil || err.Error() != "replacement transaction underpriced" {
		t.Errorf("a replacement: %v", err)
	}
	w.block(t)
	w.wantState(t, far, StateMined)
	if _, err := w.Send(t.Context(), nonce(1, 9), ""); err == nil || !strings.HasPrefix(err.Error(), "nonce too low") {
		t.Errorf("an old nonce: %v", err)
	}
	if again := w.mustSend(t, nonce(2, 1), ""); again != far {
		t.Error("the same one has another hash")
	}
}

// TestChains: a node of another chain is refused, at the start and later.
func TestChains(t *testing.T) {
	w := newWorld(t, nil)
	w.node.set(func(n *fakeNode) { n.id = 1 })
	if _, err := New(t.Context(), w.cfg); err == nil || !strings.Contains(err.Error(), "chain 1,") || !strings.Contains(err.Error(), "1337") {
		t.Errorf("another chain: %v", err)
	}
	w.node.set(func(n *fakeNode) { n.id = testChain })
	if _, err := w.Send(t.Context(), w.tx(t, `{"chainId":"0x1","to":"%v"}`, w.vault.address(1)), ""); err == nil || err.Error() != "chainId does not match node's (have=1, want=1337)" {
		t.Errorf("another chain: %v", err)
	}
	w.node.failOnce("eth_estimateGas", false, errReset)
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || strings.Contains(err.Error(), "10.0.0.1") {
		t.Errorf("a reset: %v", err)
	}
	w.node.set(func(n *fakeNode) { n.id = 5 })
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.Contains(err.Error(), "chain 5,") {
		t.Errorf("another node: %v", err)
	}
	if w.vault.signatures() != 0 {
		t.Error("something was signed")
	}
}

// TestUnreachableNode: an outbox starts without its node, or with one that only has errors
// to tell, and says what is wrong.
func TestUnreachableNode(t *testing.T) {
	busy := newWorld(t, func(w *world) {
		w.node.fault = func(string, []any) (bool, error) { return false, &nodeError{code: -32005, text: "rate limit exceeded"} }
	})
	if _, err := busy.Send(t.Context(), busy.transfer(t, 1), ""); err == nil || err.Error() != "rate limit exceeded" {
		t.Errorf("it is told %v", err)
	}
	busy.node.set(func(n *fakeNode) { n.fault = nil })
	busy.mustSend(t, busy.transfer(t, 1), "")
	w := newWorld(t, func(w *world) {
		w.node.fault = func(string, []any) (bool, error) { return false, errReset }
	})
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.HasPrefix(err.Error(), "the node ") {
		t.Errorf("it is told %v", err)
	}
	w.step(t.Context())
	w.node.set(func(n *fakeNode) { n.fault = nil })
	w.mustSend(t, w.transfer(t, 1), "")
}

// TestBounds: too many are told to come back.
func TestBounds(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxInFlight, w.cfg.MaxQueue = 2, 1 })
	w.mustSend(t, w.transfer(t, 1), "")
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	if err := l.enter(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := w.Send(ctx, w.transfer(t, 2), ""); err == nil {
		t.Error("it did not wait")
	}
	waiter, err := l.line.join("", 1)
	if err != nil {
		t.Fatal(err)
	}
	wantBusy(t, w, 3)
	if !l.line.abandon("", waiter) {
		t.Error("it was its turn")
	}
	l.leave()
	w.mustSend(t, w.transfer(t, 4), "")
	wantBusy(t, w, 5)
}

func wantBusy(t *testing.T, w *world, value int) {
	t.Helper()
	_, err := w.Send(t.Context(), w.transfer(t, value), "")
	var code rpc.Error
	if !errors.As(err, &code) || code.ErrorCode() != -32005 {
		t.Errorf("it is told %v", err)
	}
}

// TestSignAndFill: neither takes a nonce, and neither is kept.
func TestSignAndFill(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	signed, err := w.Sign(t.Context(), "eth_signTransaction", w.transfer(t, 2))
	if err != nil || signed.Tx.Nonce() != 1 || w.vault.last(t).Method != "eth_signTransaction" {
		t.Fatalf("%+v, %v", signed, err)
	}
	filled, err := w.Fill(t.Context(), w.transfer(t, 2))
	if err != nil || filled.Tx.Nonce() != 1 || filled.Tx.Gas() != 21_000 {
		t.Fatalf("%+v, %v", filled, err)
	}
	if v, r, s := filled.Tx.RawSignatureValues(); v.Sign() != 0 || r.Sign() != 0 || s.Sign() != 0 {
		t.Error("it is signed")
	}
	stranger := w.tx(t, `{"from":"0x00000000000000000000000000000000000000aa","to":"%v"}`, w.vault.address(1))
	if filled, err := w.Fill(t.Context(), stranger); err != nil || filled.Tx.ChainId().Cmp(big.NewInt(testChain)) != 0 {
		t.Errorf("%+v, %v", filled, err)
	}
	for _, send := range []func() error{
		func() error { _, err := w.Send(t.Context(), stranger, ""); return err },
		func() error { _, err := w.Sign(t.Context(), "eth_signTransaction", stranger); return err },
	} {
		if err := send(); err == nil || err.Error() != "unknown account" {
			t.Errorf("a stranger is told %v", err)
		}
	}
	if listing, err := w.List(t.Context(), Filter{}); err != nil || len(listing.Transactions) != 1 {
		t.Errorf("%+v, %v", listing, err)
	}
}
