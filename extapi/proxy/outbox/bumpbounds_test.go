package outbox

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// TestBumpIsRefused: fees are not raised beyond a bound, nor for another chain than the one
// that the transaction was made for. Nothing is signed then.
func TestBumpIsRefused(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.ChainIDs = append(w.cfg.ChainIDs, big.NewInt(1338)) })
	hash := w.mustSend(t, w.transfer(t, 1), "")
	if _, err := w.Bump(t.Context(), hash, maxRaise+1); err == nil || !strings.Contains(err.Error(), "10001 % is too much") {
		t.Errorf("%v", err)
	}
	w.node.failOnce("eth_gasPrice", false, errReset) // what answers next may be another node
	_ = w.client.call(t.Context(), new(string), "eth_gasPrice")
	w.node.set(func(n *fakeNode) { n.id = 1338 })
	for _, replace := range []func() (common.Hash, error){
		func() (common.Hash, error) { return w.Bump(t.Context(), hash, 0) },
		func() (common.Hash, error) { return w.Cancel(t.Context(), hash) },
	} {
		if _, err := replace(); err == nil || !strings.Contains(err.Error(), "is of chain 1337, the node of chain 1338") {
			t.Errorf("%v", err)
		}
	}
	if n := w.vault.signatures(); n != 1 {
		t.Errorf("%d signatures", n)
	}
}

// kept is the record of a transaction that is under way.
func (w *world) kept(t *testing.T, inner types.TxData) *record {
	t.Helper()
	tx, err := types.SignNewTx(w.vault.keys[0], types.LatestSignerForChainID(big.NewInt(testChain)), inner)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return &record{
		Transaction: Transaction{Chain: big.NewInt(testChain), Account: w.vault.address(0), Nonce: tx.Nonce(), Hash: tx.Hash(), FeeCap: tx.GasFeeCap(), TipCap: tx.GasTipCap()},
		Bytes:       raw,
	}
}

// TestBumpWithBlobs: all three fees of a transaction with blobs are doubled, as pools ask for,
// or more where the market does; and it can't be cancelled.
func TestBumpWithBlobs(t *testing.T) {
	w := newWorld(t, nil)
	old := &types.BlobTx{
		ChainID: uint256.NewInt(testChain), Gas: 21_000, To: w.vault.address(1), BlobHashes: []common.Hash{{1}},
		GasTipCap: uint256.NewInt(50_000_000), GasFeeCap: uint256.NewInt(9_000_000_000),
	}
	for blobFee, want := range map[uint64]int64{1: 14, 1000: 2000} { // a blob's gas costs 7 now
		old.BlobFeeCap = uint256.NewInt(blobFee)
		d, err := w.again(t.Context(), w.kept(t, old), 0)
		if err != nil {
			t.Fatal(err)
		}
		feeCap, tipCap, blobCap := d.tx.MaxFeePerGas.ToInt(), d.tx.MaxPriorityFeePerGas.ToInt(), d.tx.BlobFeeCap.ToInt()
		if feeCap.Int64() != 18_000_000_000 || tipCap.Int64() != 100_000_000 || blobCap.Int64() != want {
			t.Errorf("%d: raised to %v, %v and %v", blobFee, feeCap, tipCap, blobCap)
		}
		if !slices.Contains(d.filled, "maxFeePerBlobGas") {
			t.Errorf("filled in: %v", d.filled)
		}
		if err := w.empty(t.Context(), d); err == nil || !strings.Contains(err.Error(), "can't be cancelled") {
			t.Errorf("cancelled: %v", err)
		}
	}
	w.clock.move(time.Minute) // what was asked before is old
	w.node.failOnce("eth_blobBaseFee", false, says("no blobs here"))
	if _, err := w.again(t.Context(), w.kept(t, old), 0); err == nil {
		t.Error("raised without knowing what blobs cost")
	}
}

// TestBumpWithoutAFee: where there is nothing to raise, or no market to raise it in, that is
// the answer.
func TestBumpWithoutAFee(t *testing.T) {
	to := common.Address{1}
	for name, tt := range map[string]struct {
		old   types.TxData
		chain func(*fakeNode)
		want  string
	}{
		"gas is free":          {&types.LegacyTx{To: &to, Gas: 21_000, GasPrice: new(big.Int)}, func(n *fakeNode) { n.base, n.tip = new(big.Int), 0 }, "gas is free"},
		"no base fee any more": {&types.DynamicFeeTx{ChainID: big.NewInt(testChain), To: &to, Gas: 21_000, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2)}, func(n *fakeNode) { n.base = nil }, "no base fee any more"},
	} {
		w := newWorld(t, nil)
		w.node.set(tt.chain)
		if _, err := w.again(t.Context(), w.kept(t, tt.old), 0); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
