package policysuggest_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// TestDrafts compares drafts with what they should be, byte by byte.
func TestDrafts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		log     func(t *testing.T) *log
		options policysuggest.Options
	}{
		"payments": {payments, policysuggest.Options{ChainName: func(id uint64) string { return map[uint64]string{1: "Ethereum"}[id] }}},
		"tokens":   {tokens, policysuggest.Options{Margin: 10}},
		"calls":    {contractCalls, policysuggest.Options{}},
		"typed":    {typedData, policysuggest.Options{Margin: 20}},
		"texts":    {personalMessages, policysuggest.Options{Margin: 20}},
		"safe":     {safeTransactions, policysuggest.Options{Margin: 20}},
		"other":    {others, policysuggest.Options{Margin: 20}},
		"open":     {hiding, policysuggest.Options{Margin: 20, Open: true}},
		"hidden":   {hiding, policysuggest.Options{Margin: 20}},
		"planted":  {planted, policysuggest.Options{Margin: 20}},
		"vague":    {planted, policysuggest.Options{Margin: 20, Open: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := drafted(t, tt.log(t), tt.options)
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, draft.Source, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, draft.Source) {
				t.Errorf("the draft is not that of %s; it is\n%s", path, draft.Source)
			}
			if again := drafted(t, tt.log(t), tt.options); !bytes.Equal(again.Source, draft.Source) {
				t.Error("the same log gives another draft")
			}
		})
	}
}

func payments(*testing.T) *log {
	l := newLog()
	l.signed(ask(rules.KindList, common.Address{}))
	for i := range 6 {
		to := address(string(rune('3' + i)))
		l.signed(l.tx(&to, int64(i+1)*1e17, nil))
	}
	stranger := address("a")
	l.add(l.tx(&stranger, 1e18, nil), rules.Reject, rules.Unknown)
	l.add(l.tx(&stranger, 1e18, nil), rules.Approve, rules.NotSigned)
	l.add(l.tx(&stranger, 1e18, nil), rules.Approve, rules.Unknown)
	old := l.signed(transaction(cold, &types.LegacyTx{Nonce: 1, To: &stranger, Value: new(big.Int), Gas: 30_000, GasPrice: new(big.Int)}))
	old.ChainID = big.NewInt(1337)
	return l
}

func tokens(t *testing.T) *log {
	l := newLog()
	for i := range 5 {
		l.signed(l.tx(&usdc, 0, pack(t, "transfer(address,uint256)", address(string(rune('3'+i%2))), million(int64(100*i)))))
	}
	l.signed(l.tx(&usdc, 0, pack(t, "approve(address,uint256)", address("5"), million(77))))
	l.signed(l.tx(&usdc, 0, pack(t, "approve(address,uint256)", address("6"), most())))
	l.signed(l.tx(&apes, 0, pack(t, "safeTransferFrom(address,address,uint256)", hot, address("5"), big.NewInt(8123))))
	l.signed(l.tx(&apes, 0, pack(t, "approve(address,uint256)", address("5"), big.NewInt(8124))))
	l.signed(l.tx(&apes, 0, pack(t, "setApprovalForAll(address,bool)", address("5"), false)))
	l.signed(l.tx(&apes, 0, pack(t, "setApprovalForAll(address,bool)", address("6"), true)))
	permit2 := common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")
	l.signed(l.tx(&permit2, 0, pack(t, "approve(address,address,uint160,uint48)", usdc, address("7"), million(5), big.NewInt(1))))
	l.signed(l.tx(&usdc, 0, pack(t, "transferFrom(address,address,uint256)", address("8"), hot, million(1))))
	return l
}

func contractCalls(t *testing.T) *log {
	l := newLog()
	contract := address("c")
	known := l.tx(&contract, 5e16, pack(t, "register(bytes32,address)", [32]byte{1}, hot))
	known.Call = &rules.Call{Selector: [4]byte(known.Transaction.Data()), Method: "register(bytes32,address)", Arguments: []any{[32]byte{1}, hot}}
	l.signed(known)
	l.signed(l.tx(&contract, 0, []byte{0xde, 0xad, 0xbe, 0xef, 1, 2, 3}))
	weth := address("e")
	l.signed(l.tx(&weth, 1e18, pack(t, "deposit()")))
	l.signed(l.tx(&contract, 0, pack(t, "multicall(bytes[])", [][]byte{
		pack(t, "transfer(address,uint256)", address("3"), million(1)), {0xde, 0xad, 0xbe, 0xef},
	})))
	l.signed(l.tx(nil, 0, []byte{0x60, 0x00}))
	l.signed(l.tx(&contract, 0, []byte{1, 2}))
	l.signed(l.tx(&usdc, 0, append(pack(t, "transfer(address,uint256)", address("3"), million(1)), 1)))
	return l
}

func typedData(*testing.T) *log {
	l := newLog()
	l.signed(permit(hot, address("5"), million(50), l.now.Add(20*time.Minute)))
	l.signed(permit(hot, address("6"), million(70), l.now.Add(50*time.Minute)))
	l.signed(permit(hot, address("5"), most(), l.now.Add(50*time.Minute)))
	for i := range 3 {
		l.signed(typed(hot, 1, address("b"), "Mail", map[string]string{"Mail": "address from,address to,string text"}, map[string]any{
			"from": hot.Hex(), "to": address(string(rune('3' + i))).Hex(), "text": "hi",
		}))
	}
	l.signed(typed(hot, 0, address("b"), "Vote", map[string]string{"Vote": "uint256 choice"}, map[string]any{"choice": "1"}))
	l.signed(typed(hot, 1, usdc, "Permit", map[string]string{"Permit": "uint256 odd"}, map[string]any{"odd": "1"}))
	return l
}

func personalMessages(*testing.T) *log {
	l := newLog()
	l.signed(message(hot, "I accept the terms.\n\"quoted\": \u202e yes"))
	for i := range 20 {
		l.signed(message(hot, "Log in to example at "+l.now.Add(time.Duration(i)*time.Hour).Format(time.DateTime)))
	}
	l.signed(signIn(hot, "app.example", l.now.Add(10*time.Minute)))
	l.signed(signIn(hot, "app.example", l.now.Add(25*time.Minute)))
	l.signed(signIn(hot, "other.example", time.Time{}))
	l.signed(signIn(hot, "late.example", l.now.Add(-time.Minute)))
	l.signed(message(hot, "\xff\xfe"))
	l.signed(message(hot, ""))
	return l
}

func safeTransactions(t *testing.T) *log {
	l := newLog()
	safe := address("a")
	for i := range 3 {
		l.signed(safeTx(cold, safe, address("3"), int64(i)*1e17, nil, 0, 0, i))
	}
	l.signed(safeTx(cold, safe, usdc, 0, pack(t, "transfer(address,uint256)", address("4"), million(9)), 0, 2e9, 4))
	send := common.HexToAddress("0x40A2aCCbd92BCA938b02010E17A5b8929b49130D") // MultiSendCallOnly 1.3.0
	l.signed(safeTx(cold, safe, send, 0, pack(t, "multiSend(bytes)", multiSend(
		step{address("5"), 7, nil}, step{usdc, 0, pack(t, "transfer(address,uint256)", address("4"), million(3))},
	)), 1, 0, 5))
	return l
}

// step is one call of a batch of a Safe.
type step struct {
	to   common.Address
	wei  uint64
	data []byte
}

func multiSend(steps ...step) []byte {
	var all []byte
	for _, s := range steps {
		wei, length := uint256.NewInt(s.wei).Bytes32(), uint256.NewInt(uint64(len(s.data))).Bytes32()
		all = append(all, 0)
		all = append(all, s.to[:]...)
		all = append(all, wei[:]...)
		all = append(all, length[:]...)
		all = append(all, s.data...)
	}
	return all
}

func others(t *testing.T) *log {
	l := newLog()
	l.signed(ask(rules.KindNewAccount, common.Address{}))
	l.signed(data(hot, accounts.MimetypeClique))
	to := address("c")
	l.signed(transaction(hot, &types.BlobTx{
		ChainID: uint256.NewInt(1), Nonce: 1, To: to, Gas: 21_000, GasFeeCap: uint256.NewInt(20e9), GasTipCap: uint256.NewInt(1e9), BlobFeeCap: uint256.NewInt(3e9),
		BlobHashes: []common.Hash{{1}, {1, 2}},
	}))
	l.signed(transaction(hot, &types.SetCodeTx{
		ChainID: uint256.NewInt(1), Nonce: 2, To: hot, Gas: 60_000, GasFeeCap: uint256.NewInt(20e9), GasTipCap: uint256.NewInt(1e9),
		AuthList: []types.SetCodeAuthorization{{ChainID: *uint256.NewInt(1), Address: address("d"), Nonce: 3}},
	}))
	block := ask(rules.KindBlockPayload, hot)
	block.ChainID, block.Payload = big.NewInt(10), &rules.BlockPayload{Hash: [32]byte{1}}
	l.signed(block)
	http := l.tx(&to, 1, nil)
	http.Principal, http.Caller.Transport = "anonymous", "http"
	l.signed(http)
	return l
}

// planted are requests that a caller may choose so that others are bounded less, and
// such as have addresses in odd places.
func planted(t *testing.T) *log {
	l := newLog()
	l.signed(l.tx(&usdc, 0, pack(t, "transfer(address,uint256)", address("3"), million(100))))
	l.signed(l.tx(&usdc, 0, pack(t, "safeTransferFrom(address,address,uint256)", hot, address("3"), big.NewInt(1))))
	l.signed(permitOfOne(address("5"), "7"))
	endless := l.signed(permit(hot, address("6"), million(1), l.now))
	endless.TypedData.Message["deadline"] = most().String()
	for i := range 5 {
		c := address("c")
		l.signed(call(t, c, true, "fill((address,address,address[],uint256)[],address[2],uint256)", []order{
			{cold, nth(i), []common.Address{cold, hot}, big.NewInt(1)}, {cold, hot, nil, big.NewInt(7)},
		}, [2]common.Address{hot, cold}, big.NewInt(int64(i))))
	}
	l.signed(mail("Line line,Line[] more,address[] all", map[string]any{
		"line": map[string]any{"recipient": cold.Hex(), "amount": "1"}, "more": []any{map[string]any{"recipient": hot.Hex(), "amount": "1"}}, "all": []any{},
	}))
	l.signed(mail("uint256 x", map[string]any{"x": "1"}))
	l.signed(mail("Line line", map[string]any{"line": map[string]any{"recipient": hot.Hex(), "amount": "1"}}))
	l.signed(nameless())
	l.signed(witnessed(hot.Hex()))
	l.signed(message(hot, "bank.example0 is my friend"+strings.Repeat("!", 200)))
	l.signed(message(hot, "bank.example1 is my friend"+strings.Repeat("!", 200)))
	for i := range 9 {
		text := signInText("bank.example")
		l.signed(message(hot, strings.Replace(text, "\nWelcome.\n", "\n", 1)))
		l.signed(message(hot, strings.Replace(text, "Welcome.", fmt.Sprint("Welcome for the ", i, "th time."), 1)))
	}
	l.signed(message(hot, signInText("bank.example")+"\nResources:\n- urn:recap:all"))
	return l
}

// hiding are requests that can't be described narrowly.
func hiding(t *testing.T) *log {
	l := newLog()
	l.signed(ask(rules.KindList, common.Address{}))
	router, contract := address("d"), address("c")
	l.signed(l.tx(&router, 0, pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})))
	l.signed(l.tx(&contract, 0, pack(t, "multicall(bytes[])", [][]byte{pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})})))
	l.signed(typed(hot, 1, address("b"), "Order", map[string]string{"Order": "address maker,address makerAsset,address takerAsset"}, map[string]any{
		"maker": hot.Hex(), "makerAsset": usdc.Hex(), "takerAsset": apes.Hex(),
	}))
	l.signed(permit(hot, address("5"), million(50), l.now))
	anywhere := permit(hot, address("5"), million(50), l.now)
	anywhere.TypedData.Types["EIP712Domain"] = anywhere.TypedData.Types["EIP712Domain"][:2]
	anywhere.TypedData.Types["EIP712Domain"] = append(anywhere.TypedData.Types["EIP712Domain"], apitypes.Type{Name: "verifyingContract", Type: "address"})
	anywhere.ChainID = nil
	l.signed(anywhere)
	l.signed(safeTx(cold, address("a"), contract, 0, []byte{1, 2, 3, 4}, 1, 0, 1))
	l.signed(message(hot, "\xff\xfe"))
	l.signed(data(hot, accounts.MimetypeDataWithValidator))
	return l
}
