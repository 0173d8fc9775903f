package outbox

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// TestCounted: what is no count of the account on its chain is believed of no node.
func TestCounted(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.ChainIDs = append(w.cfg.ChainIDs, big.NewInt(1338)) })
	number := func(n uint64) *hexutil.Uint64 { return (*hexutil.Uint64)(&n) }
	chain := func(n int64) *hexutil.Big { return (*hexutil.Big)(big.NewInt(n)) }
	for name, tt := range map[string]struct {
		said counting
		want string // "": it is believed
	}{
		"two":               {counting{chain(testChain), number(2), number(1)}, ""},
		"another chain":     {counting{chain(1338), number(2), number(1)}, "the node was of chain 1337, and is of chain 1338 now: nothing is sent"},
		"one not allowed":   {counting{chain(1), number(2), number(1)}, "the node is of chain 1, and allowed is 1337, 1338"},
		"no chain":          {counting{nil, number(2), number(1)}, "does not say which chain"},
		"none in its pool":  {counting{chain(testChain), nil, number(1)}, "does not count"},
		"none in blocks":    {counting{chain(testChain), number(2), nil}, "does not count"},
		"as many as can be": {counting{chain(testChain), number(mostCounted), number(1)}, ""},
		"more":              {counting{chain(testChain), number(mostCounted + 1), number(1)}, "which can't be"},
	} {
		seen, err := w.counted(&tt.said, "1337", 0)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if err != nil && (seen.next != 0 || seen.mined != 0) {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

// TestNoEstimate: a node that estimates no gas at all is not believed.
func TestNoEstimate(t *testing.T) {
	w := newWorld(t, nil)
	w.node.estimate = func(map[string]any) (uint64, error) { return 0, nil }
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.Contains(err.Error(), "gave no estimate of the gas") || w.vault.signatures() != 0 {
		t.Errorf("%v, %d signatures", err, w.vault.signatures())
	}
}

// TestReceipts: a transaction has failed if its receipt says so, and is mined only with a
// block, by a receipt of its own.
func TestReceipts(t *testing.T) {
	hash, in := common.Hash{1}, common.Hash{2}
	number, failed, succeeded := hexutil.Uint64(7), hexutil.Uint64(types.ReceiptStatusFailed), hexutil.Uint64(types.ReceiptStatusSuccessful)
	for name, tt := range map[string]struct {
		of            *receipt
		mined, failed bool
	}{
		"none":             {nil, false, false},
		"succeeded":        {&receipt{hash, &in, &number, &succeeded}, true, false},
		"failed":           {&receipt{hash, &in, &number, &failed}, true, true},
		"before Byzantium": {&receipt{hash, &in, &number, nil}, true, false},
		"pending":          {&receipt{hash, nil, nil, &failed}, false, false},
		"of another":       {&receipt{common.Hash{9}, &in, &number, &succeeded}, false, false},
	} {
		block := tt.of.block(hash)
		if (block != nil) != tt.mined || block != nil && (block.Failed != tt.failed || block.Number != 7 || block.Hash != in) {
			t.Errorf("%s: %+v", name, block)
		}
	}
}
