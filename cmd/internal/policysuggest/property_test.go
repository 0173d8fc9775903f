package policysuggest_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// maker makes random requests, of few values so that they meet.
type maker struct {
	*rapid.T
	now time.Time
}

func (m *maker) below(n int) int { return rapid.IntRange(0, n-1).Draw(m.T, "n") }

func (m *maker) one(of ...string) common.Address { return address(of[m.below(len(of))]) }

func (m *maker) amount() *big.Int {
	switch m.below(8) {
	case 0:
		return most()
	case 1:
		return new(big.Int).Lsh(big.NewInt(1), 200) // an id, or an odd amount
	case 2:
		return new(big.Int)
	default:
		return big.NewInt(rapid.Int64Range(1, 1e18).Draw(m.T, "amount"))
	}
}

// call makes the data of a call, and whom it calls.
func (m *maker) call(depth int) (common.Address, []byte) {
	token := m.one("a", "b")
	kind := m.below(12)
	if depth == 2 {
		kind = m.below(9)
	}
	switch kind {
	case 0:
		return m.one("3", "4", "5"), nil
	case 1:
		return token, pack(m, "transfer(address,uint256)", m.one("3", "4"), m.amount())
	case 2:
		return token, pack(m, "approve(address,uint256)", m.one("5", "6"), m.amount())
	case 3:
		return token, pack(m, "transferFrom(address,address,uint256)", m.one("1", "7"), m.one("3", "4"), m.amount())
	case 4:
		return token, pack(m, "safeTransferFrom(address,address,uint256)", m.one("1", "7"), m.one("3", "4"), m.amount())
	case 5:
		return token, pack(m, "setApprovalForAll(address,bool)", m.one("5", "6"), m.below(2) == 0)
	case 6:
		return m.one("a", "c"), append([]byte{0xde, 0xad, 0xbe, byte(m.below(2))}, make([]byte, m.below(40))...)
	case 7:
		return m.one("a", "d"), pack(m, "deposit()")
	case 8:
		ids := []*big.Int{big.NewInt(1), big.NewInt(2)}[:m.below(3)]
		return token, pack(m, "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", m.one("1"), m.one("3"), ids, ids, []byte{})
	case 9:
		return m.one("d"), pack(m, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})
	default:
		to := m.one("a", "c")
		var inner [][]byte
		for range m.below(4) {
			_, data := m.call(depth + 1)
			inner = append(inner, data)
		}
		return to, pack(m, "multicall(bytes[])", inner)
	}
}

// transaction makes one of any type.
func (m *maker) transaction() *rules.Request {
	account := m.one("1", "2")
	to, data := m.call(0)
	target := &to
	if m.below(12) == 0 {
		target, data = nil, []byte{byte(m.below(2))}
	}
	wei := big.NewInt(int64(m.below(3)) * 1e15)
	fee, gas, nonce := big.NewInt(int64(1+m.below(3))*1e9), uint64(21_000+m.below(3)*1000), uint64(m.below(6))
	var req *rules.Request
	switch m.below(6) {
	case 0:
		req = transaction(account, &types.LegacyTx{Nonce: nonce, To: target, Value: wei, Gas: gas, GasPrice: fee, Data: data})
		req.ChainID = big.NewInt(1)
	case 1:
		req = transaction(account, &types.BlobTx{
			ChainID: uint256.NewInt(1), Nonce: nonce, To: to, Value: uint256.MustFromBig(wei), Gas: gas, GasFeeCap: uint256.MustFromBig(fee), GasTipCap: uint256.NewInt(1),
			BlobFeeCap: uint256.NewInt(5), BlobHashes: []common.Hash{{1}}, Data: data,
		})
	case 2:
		req = transaction(account, &types.SetCodeTx{
			ChainID: uint256.NewInt(1), Nonce: nonce, To: to, Value: uint256.MustFromBig(wei), Gas: gas, GasFeeCap: uint256.MustFromBig(fee), GasTipCap: uint256.NewInt(1), Data: data,
			AuthList: []types.SetCodeAuthorization{{ChainID: *uint256.NewInt(uint64(m.below(2))), Address: []common.Address{{}, address("d")}[m.below(2)]}},
		})
	default:
		req = transaction(account, &types.DynamicFeeTx{ChainID: big.NewInt(int64([]int{1, 10}[m.below(2)])), Nonce: nonce, To: target, Value: wei, Gas: gas, GasFeeCap: fee, GasTipCap: fee, Data: data})
	}
	return req
}

// request makes one of any kind.
func (m *maker) request() *rules.Request {
	account := m.one("1", "2")
	soon := m.now.Add(time.Duration(1+m.below(100)) * time.Minute)
	var req *rules.Request
	switch m.below(14) {
	case 0:
		req = ask(rules.KindList, account)
	case 1:
		req = permit(account, m.one("5", "6"), m.amount(), soon)
		if m.below(3) == 0 {
			req.TypedData.Message["deadline"] = most().String()
		}
	case 2:
		chain := int64(m.below(3))
		req = typed(account, chain, m.one("b", "c"), "Mail", map[string]string{"Mail": "address to,string text"}, map[string]any{"to": m.one("3", "4").Hex(), "text": "hi"})
		switch m.below(5) {
		case 0:
			req = typed(account, chain, m.one("b", "c"), "Mail", map[string]string{"Mail": "string text"}, map[string]any{"text": "hi"})
		case 1: // an order
			req = typed(account, chain, m.one("b", "c"), "Mail", map[string]string{"Mail": "address to,uint256 tokenIn,uint256 tokenOut"}, map[string]any{"to": m.one("3", "4").Hex(), "tokenIn": "1", "tokenOut": "2"})
		}
	case 3:
		to, data := m.call(0)
		req = safeTx(account, m.one("a", "e"), to, int64(m.below(2)), data, m.below(2), m.below(2)*1e9, m.below(3))
		if m.below(4) == 0 { // before 1.3
			req.TypedData.Types["EIP712Domain"] = req.TypedData.Types["EIP712Domain"][1:]
			req.ChainID = nil
		}
	case 4:
		req = message(account, []string{"hello", "Log in to example, nonce 12", "Log in to example, nonce 17", "Log in elsewhere", "", "\xff", "日本語の文章です", "日本語"}[m.below(8)]+fmt.Sprint(m.below(20)))
	case 5:
		req = signIn(account, []string{"app.example", "other.example"}[m.below(2)], []time.Time{{}, soon}[m.below(2)])
	case 6:
		req = data(account, []string{accounts.MimetypeClique, accounts.MimetypeDataWithValidator}[m.below(2)])
	default:
		req = m.transaction()
	}
	if m.below(5) == 0 {
		req.Principal, req.Caller.Transport = "anonymous", "http"
	}
	return req
}

// TestEveryDraftCoversWhatItIsDrawnFrom: of any mix of requests the draft loads,
// approves what it says that it covers, which Make checks, and nothing that is new.
func TestEveryDraftCoversWhatItIsDrawnFrom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &maker{rt, began()}
		l := newLog()
		for range 1 + m.below(25) {
			l.now = l.now.Add(time.Duration(m.below(5)) * time.Hour)
			m.now = l.now
			l.signed(m.request())
		}
		options := policysuggest.Options{Margin: m.below(40), Recipients: 1 + m.below(4), Open: m.below(2) == 0}
		draft, err := policysuggest.Make(rt.Context(), l.source, options)
		if err != nil && draft != nil && draft.Rules == 0 {
			return // nothing can be covered
		}
		if err != nil {
			rt.Fatalf("%v\n%s", err, draft.Source)
		}
		covered := 0
		for _, m := range draft.Others {
			covered += m.Count
		}
		if covered+draft.Covered != len(l.all) {
			rt.Fatalf("%d requests are covered and %d are not, of %d", draft.Covered, covered, len(l.all))
		}
		strange(rt, l, draft, options.Open)
	})
}

// strange asks a draft for what was never seen.
func strange(rt *rapid.T, l *log, draft *policysuggest.Draft, open bool) {
	rt.Helper()
	now := began()
	loaded, err := policy.Load("draft", draft.Source, policy.Options{Now: func() time.Time { return now }})
	if err != nil {
		rt.Fatalf("%v", err)
	}
	refused := func(what string, req *rules.Request) {
		decision, _, err := loaded.Evaluate(rt.Context(), req)
		if err != nil || decision.Verdict != rules.Reject {
			rt.Fatalf("%s: %v, rule %s, %v\n%s", what, decision.Verdict, decision.Rule, err, draft.Source)
		}
	}
	for _, one := range l.all {
		now = one.Time
		for what, change := range map[string]func(req *rules.Request){
			"another principal": func(req *rules.Request) { req.Principal = "mallory" },
			"another listener":  func(req *rules.Request) { req.Caller.Transport = "ws" },
		} {
			req := *one.Request
			change(&req)
			refused(what, &req)
		}
		if one.Request.Kind.Signs() {
			req := *one.Request
			req.Account.Address = address("f")
			refused("another account", &req)
		}
		if one.Request.Kind == rules.KindTransaction {
			for what, req := range elsewhere(one.Request, open) {
				refused(what, req)
			}
		}
	}
}

// elsewhere are transactions like one, but for another chain, recipient or method.
func elsewhere(req *rules.Request, open bool) map[string]*rules.Request {
	tx := req.Transaction
	made := func(chain int64, to *common.Address, data []byte) *rules.Request {
		other := transaction(req.Account.Address, &types.DynamicFeeTx{
			ChainID: big.NewInt(chain), Nonce: tx.Nonce(), To: to, Value: new(big.Int), Gas: 21_000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), Data: data,
		})
		other.Principal, other.Caller = req.Principal, req.Caller
		return other
	}
	chain := req.ChainID.Int64()
	nobody := address("0")
	all := map[string]*rules.Request{
		"another chain": made(77, tx.To(), tx.Data()), "another method": made(chain, tx.To(), []byte{1, 2, 3, 4}),
		"another contract": made(chain, &nobody, []byte{0xde, 0xad, 0xbe, 0}), "another code": made(chain, nil, []byte{9, 9}),
	}
	if !open {
		all["another recipient"] = made(chain, &nobody, nil)
		if data := tx.Data(); endsInNumber(data) {
			all["a larger amount, or another id"] = made(chain, tx.To(), slices.Concat(data[:len(data)-32], math.U256Bytes(new(big.Int).Lsh(big.NewInt(1), 127))))
		}
	}
	return all
}

// endsInNumber tells whether data is a call whose last argument is an amount or an
// id.
func endsInNumber(data []byte) bool {
	return len(data) >= 4 && slices.Contains([]string{"a9059cbb", "095ea7b3", "23b872dd", "42842e0e"}, hex.EncodeToString(data[:4]))
}
