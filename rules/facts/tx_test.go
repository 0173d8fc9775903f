package facts

import (
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// factsOf is what is known of a transaction of the sender.
func factsOf(tx types.TxData) *Tx {
	return Of(&rules.Request{Kind: rules.KindTransaction, Account: rules.Account{Address: sender}, ChainID: big.NewInt(1), Transaction: types.NewTx(tx)}, noon()).Tx
}

// less is 2²⁵⁶−1 less a number.
func less(n uint64) *uint256.Int {
	most := maxUint256()
	return most.SubUint64(&most, n)
}

// TestSetCodeAuthorities: who hands an account over is who signed the
// authorization (EIP-7702), to the last bit of it, and nobody where the signature
// is none.
func TestSetCodeAuthorities(t *testing.T) {
	t.Parallel()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	owner := crypto.PubkeyToAddress(key.PublicKey)
	signed := func(chain uint256.Int, contract common.Address, nonce uint64, change func(*types.SetCodeAuthorization)) types.SetCodeAuthorization {
		authorization, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: chain, Address: contract, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&authorization)
		}
		return authorization
	}
	order := uint256.MustFromBig(crypto.S256().Params().N)
	one := number(1)
	for name, tt := range map[string]struct {
		authorization types.SetCodeAuthorization
		want          Delegate
		another       bool // the authority is some other address than the owner
	}{
		"on this chain":         {signed(one, payee, 7, nil), Delegate{owner, payee, false}, false},
		"the first nonce":       {signed(one, payee, 0, nil), Delegate{owner, payee, false}, false},
		"the last nonce":        {signed(one, payee, math.MaxUint64, nil), Delegate{owner, payee, false}, false},
		"on every chain":        {signed(uint256.Int{}, payee, 7, nil), Delegate{owner, payee, true}, false},
		"on the last chain":     {signed(maxUint256(), payee, 7, nil), Delegate{owner, payee, false}, false},
		"taken back":            {signed(one, common.Address{}, 7, nil), Delegate{owner, common.Address{}, false}, false},
		"no r":                  {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.R.Clear() }), Delegate{Contract: payee}, false},
		"no s":                  {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.S.Clear() }), Delegate{Contract: payee}, false},
		"r is the order":        {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.R = *order }), Delegate{Contract: payee}, false},
		"a high s (EIP-2)":      {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.S.Sub(order, &a.S); a.V ^= 1 }), Delegate{Contract: payee}, false},
		"no parity":             {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.V = 2 }), Delegate{Contract: payee}, false},
		"not signed":            {types.SetCodeAuthorization{ChainID: one, Address: payee}, Delegate{Contract: payee}, false},
		"the other parity":      {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.V ^= 1 }), Delegate{Contract: payee}, true},
		"for another contract":  {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.Address = other }), Delegate{Contract: other}, true},
		"with another nonce":    {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.Nonce++ }), Delegate{Contract: payee}, true},
		"with no chain instead": {signed(one, payee, 7, func(a *types.SetCodeAuthorization) { a.ChainID.Clear() }), Delegate{Contract: payee, AnyChain: true}, true},
	} {
		first := signed(one, other, 1, nil)
		tx := factsOf(&types.SetCodeTx{ChainID: uint256.NewInt(1), To: payee, AuthList: []types.SetCodeAuthorization{first, tt.authorization}})
		if len(tx.Delegates) != 2 || tx.Delegates[0] != (Delegate{owner, other, false}) {
			t.Fatalf("%s: %+v", name, tx.Delegates)
		}
		got := tx.Delegates[1]
		if tt.another {
			if got.Authority == owner || got.Authority == (common.Address{}) {
				t.Errorf("%s: %s hands over its account", name, got.Authority)
			}
			tt.want.Authority = got.Authority
		}
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestWorstCaseOfBlobs: gas × the fee cap and blob gas × the blob fee cap, exact
// up to 2²⁵⁶−1, where it stops.
func TestWorstCaseOfBlobs(t *testing.T) {
	t.Parallel()
	const blob = params.BlobTxBlobGasPerBlob // gas of one
	if blob != 1<<17 {
		t.Fatalf("a blob takes %d gas", blob)
	}
	whole := uint256.NewInt
	shifted := new(uint256.Int).Lsh(whole(1), 256-17) // × 2¹⁷ is one more than there is
	for name, tt := range map[string]struct {
		gas              uint64
		feeCap, blobsCap *uint256.Int
		blobs            int
		value            *uint256.Int
		cost, spend      *uint256.Int
	}{
		"usual":                      {21_000, whole(30e9), whole(2e9), 6, whole(5), whole(21_000*30e9 + 6*blob*2e9), whole(21_000*30e9 + 6*blob*2e9 + 5)},
		"none":                       {21_000, whole(30e9), whole(2e9), 0, whole(0), whole(21_000 * 30e9), whole(21_000 * 30e9)},
		"one":                        {0, whole(0), whole(1), 1, whole(0), whole(blob), whole(blob)},
		"free blobs":                 {21_000, whole(1), whole(0), 6, whole(0), whole(21_000), whole(21_000)},
		"all but one wei":            {1, less(blob + 1), whole(1), 1, whole(0), less(1), less(1)},
		"all there is":               {1, less(blob), whole(1), 1, whole(0), less(0), less(0)},
		"one wei more":               {1, less(blob - 1), whole(1), 1, whole(0), less(0), less(0)},
		"the value is all there is":  {1, less(blob + 1), whole(1), 1, whole(1), less(1), less(0)},
		"the value is one more":      {1, less(blob + 1), whole(1), 1, whole(2), less(1), less(0)},
		"the largest price":          {0, whole(0), new(uint256.Int).SubUint64(shifted, 1), 1, whole(0), less(blob - 1), less(blob - 1)},
		"one above the largest":      {0, whole(0), shifted, 1, whole(0), less(0), less(0)},
		"the largest price, of two":  {0, whole(0), new(uint256.Int).SubUint64(shifted, 1), 2, whole(0), less(0), less(0)},
		"the largest gas and price":  {math.MaxUint64, less(0), less(0), 6, less(0), less(0), less(0)},
		"the largest gas, one wei":   {math.MaxUint64, whole(1), whole(0), 1, whole(0), whole(math.MaxUint64), whole(math.MaxUint64)},
		"gas is all, and blobs more": {1, less(0), whole(1), 1, whole(0), less(0), less(0)},
	} {
		tx := factsOf(&types.BlobTx{
			ChainID: whole(1), Gas: tt.gas, GasFeeCap: tt.feeCap, GasTipCap: whole(0), To: payee, Value: tt.value,
			BlobFeeCap: tt.blobsCap, BlobHashes: make([]common.Hash, tt.blobs),
		})
		if tx.GasCost != *tt.cost || tx.Spend != *tt.spend {
			t.Errorf("%s: costs %s and spends %s, want %s and %s", name, tx.GasCost.Hex(), tx.Spend.Hex(), tt.cost.Hex(), tt.spend.Hex())
		}
	}
}
