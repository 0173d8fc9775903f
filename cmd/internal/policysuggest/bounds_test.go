package policysuggest_test

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// decides returns what a draft of a log says of a request, an hour after the log
// began: why it does not approve it, "" if it does.
func decides(t *testing.T, draft *policysuggest.Draft, req *rules.Request) string {
	t.Helper()
	loaded, err := policy.Load("draft", draft.Source, policy.Options{Now: func() time.Time { return began().Add(time.Hour) }})
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.Source)
	}
	decision, _, err := loaded.Evaluate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if decision.Verdict == rules.Approve {
		return ""
	}
	return decision.Reason
}

// with makes a log of some requests, and of a listing so that there is a draft.
func with(all ...*rules.Request) *log {
	l := newLog()
	l.signed(ask(rules.KindList, common.Address{}))
	for _, req := range all {
		l.signed(req)
	}
	return l
}

// call is a transaction that calls a method, of which validation knows the
// signature if it is called so.
func call(t *testing.T, to common.Address, named bool, method string, arguments ...any) *rules.Request {
	t.Helper()
	req := newLog().tx(&to, 0, pack(t, method, arguments...))
	if named {
		req.Call = &rules.Call{Selector: [4]byte(req.Transaction.Data()), Method: method, Arguments: arguments}
	}
	return req
}

// permitOfOne is a permit of ERC-4494.
func permitOfOne(spender common.Address, id string) *rules.Request {
	return typed(hot, 1, usdc, "Permit", map[string]string{"Permit": "address spender,uint256 tokenId,uint256 nonce,uint256 deadline"}, map[string]any{
		"spender": spender.Hex(), "tokenId": id, "nonce": "0", "deadline": fmt.Sprint(began().Add(80 * time.Minute).Unix()),
	})
}

func mail(fields string, message map[string]any) *rules.Request {
	return typed(hot, 1, usdc, "Mail", map[string]string{"Mail": fields, "Line": "address recipient,uint256 amount"}, message)
}

// order is an argument that has addresses in a tuple and in an array within.
type order struct {
	Name0, Name1 common.Address
	Name2        []common.Address
	Name3        *big.Int
}

func witnessed(witness string) *rules.Request {
	permit2 := "0x000000000022D473030F116dDEE9F6B43aC78BA3"
	req := typed(hot, 1, usdc, "PermitWitnessTransferFrom", map[string]string{
		"PermitWitnessTransferFrom": "TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Trade witness",
		"TokenPermissions":          "address token,uint256 amount", "Trade": "address recipient,uint256 least",
	}, map[string]any{
		"permitted": map[string]any{"token": usdc.Hex(), "amount": "1000000"}, "spender": address("5").Hex(), "nonce": "1",
		"deadline": fmt.Sprint(began().Add(2 * time.Hour).Unix()), "witness": map[string]any{"recipient": witness, "least": "1"},
	})
	req.TypedData.Domain = apitypes.TypedDataDomain{Name: "Permit2", VerifyingContract: permit2}
	req.TypedData.Types["EIP712Domain"] = []apitypes.Type{{Name: "name", Type: "string"}, {Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}}
	return req
}

// pulls is a transfer of somebody's dollars by the account.
func pulls(t *testing.T, owner, recipient common.Address, amount *big.Int) *rules.Request {
	t.Helper()
	return call(t, usdc, false, "transferFrom(address,address,uint256)", owner, recipient, amount)
}

// unchained is a batch of a Safe before version 1.3, with one call of a token.
func unchained(t *testing.T, call []byte) *rules.Request {
	t.Helper()
	req := safeTx(hot, address("5"), common.HexToAddress("0x9641d764fc13c8B624c04430C7356C1C7C8102e2"), 0, pack(t, "multiSend(bytes)", multiSend(step{to: usdc, data: call})), 1, 0, 1)
	req.ChainID = nil
	req.TypedData.Types["EIP712Domain"] = req.TypedData.Types["EIP712Domain"][1:]
	return req
}

// signInText is a sign-in that does not expire.
func signInText(domain string) string {
	return strings.TrimLeft(strings.TrimPrefix(string(signIn(hot, domain, time.Time{}).Preimage), "\x19Ethereum Signed Message:\n"), "0123456789")
}

func nameless() *rules.Request {
	req := mail("address to", map[string]any{"to": cold.Hex()})
	req.TypedData.Types["EIP712Domain"] = []apitypes.Type{{Name: "name", Type: "string"}, {Name: "chainId", Type: "uint256"}}
	return req
}

// TestBoundsLast: whatever one caller got signed, the draft refuses what is beyond
// what was signed, and still approves what was.
func TestBoundsLast(t *testing.T) {
	t.Parallel()
	dollars := func(method string, to common.Address, amount *big.Int) *rules.Request {
		return call(t, usdc, false, method+"(address,uint256)", to, amount)
	}
	later := began().Add(80 * time.Minute)
	const several = "safeTransferFrom(address,address,uint256,uint256,bytes)"
	const batches = "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)"
	const handle = "handleOps((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[],address)"
	type operation struct {
		Name0        common.Address
		Name1        *big.Int
		Name2, Name3 []byte
		Name4        [32]byte
		Name5        *big.Int
		Name6        [32]byte
		Name7, Name8 []byte
	}
	operations := []operation{{Name0: cold, Name1: big.NewInt(1), Name5: big.NewInt(1), Name3: pack(t, "execute(address,uint256,bytes)", address("7"), big.NewInt(1), []byte{})}}
	const exec = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
	executes := func(receiver common.Address) *rules.Request {
		zero := new(big.Int)
		return call(t, address("a"), false, exec, cold, big.NewInt(5), []byte{}, uint8(0), zero, zero, zero, common.Address{}, receiver, []byte{1})
	}
	const fill = "fill((address,address,address[],uint256)[],address[2])"
	fills := func(inTuple, inArray, inPair common.Address) *rules.Request {
		orders := []order{{cold, inTuple, []common.Address{cold, inArray}, big.NewInt(1)}, {cold, hot, []common.Address{hot}, big.NewInt(7)}}
		return call(t, address("c"), true, fill, orders, [2]common.Address{hot, inPair})
	}
	site := signIn(hot, "bank.example", time.Time{})
	text := signInText("bank.example")
	silent := message(hot, strings.Replace(text, "\nWelcome.\n", "\n", 1))
	batch := func(inner ...[]byte) *rules.Request {
		return call(t, usdc, false, "multicall(bytes[])", inner)
	}
	within := pack(t, "transfer(address,uint256)", address("3"), million(1))
	for name, tt := range map[string]struct {
		planted []*rules.Request
		beyond  []*rules.Request
		never   []*rules.Request // not even what is planted is covered
	}{
		"a currency that is called as a collection": {
			planted: []*rules.Request{
				dollars("transfer", address("3"), million(100)), dollars("approve", address("4"), million(5)), permit(hot, address("5"), million(50), later),
				call(t, usdc, false, "safeTransferFrom(address,address,uint256)", hot, address("3"), big.NewInt(1)),
				call(t, usdc, false, "setApprovalForAll(address,bool)", address("4"), false),
			},
			beyond: []*rules.Request{
				dollars("transfer", address("3"), million(1e9)), dollars("approve", address("4"), million(1e9)), dollars("approve", address("4"), most()),
				permit(hot, address("5"), million(1e9), later), permit(hot, address("5"), most(), later),
				call(t, usdc, false, "safeTransferFrom(address,address,uint256)", hot, address("3"), big.NewInt(2)),
				call(t, usdc, false, "setApprovalForAll(address,bool)", address("4"), true),
			},
		},
		"a permit of one token of a collection": {
			planted: []*rules.Request{permitOfOne(address("e"), "1000000000000")},
			beyond: []*rules.Request{
				permit(hot, address("e"), most(), later), permit(hot, address("e"), million(1), later), permit(hot, address("e"), million(1e6), later),
				permitOfOne(address("e"), "2"), permitOfOne(cold, "1000000000000"),
			},
		},
		"tokens of who lets the account move them": {
			planted: []*rules.Request{pulls(t, hot, cold, million(100)), pulls(t, address("6"), address("7"), big.NewInt(1))},
			beyond:  []*rules.Request{pulls(t, hot, address("7"), big.NewInt(1)), pulls(t, address("6"), cold, big.NewInt(1)), pulls(t, address("6"), address("7"), million(1))},
		},
		"tokens of such, in a batch": {
			planted: []*rules.Request{batch(pulls(t, hot, cold, million(100)).Transaction.Data(), pulls(t, address("6"), address("7"), big.NewInt(1)).Transaction.Data())},
			beyond:  []*rules.Request{batch(pulls(t, hot, address("7"), big.NewInt(1)).Transaction.Data())},
		},
		"tokens of a Safe that names no chain": {never: []*rules.Request{unchained(t, pack(t, "transfer(address,uint256)", cold, million(1)))}},
		"some of an id": {
			planted: []*rules.Request{
				call(t, apes, false, several, hot, cold, big.NewInt(7), big.NewInt(10), []byte{}),
				call(t, apes, false, batches, hot, cold, []*big.Int{big.NewInt(7), big.NewInt(8)}, []*big.Int{big.NewInt(1), big.NewInt(2)}, []byte{}),
			},
			beyond: []*rules.Request{
				call(t, apes, false, several, hot, cold, big.NewInt(7), big.NewInt(20), []byte{}),
				call(t, apes, false, several, hot, cold, big.NewInt(8), big.NewInt(1), []byte{}),
				call(t, apes, false, batches, hot, cold, []*big.Int{big.NewInt(7), big.NewInt(9)}, []*big.Int{big.NewInt(1), big.NewInt(2)}, []byte{}),
				call(t, apes, false, batches, hot, cold, []*big.Int{big.NewInt(7), big.NewInt(8)}, []*big.Int{big.NewInt(1), big.NewInt(9)}, []byte{}),
			},
			never: []*rules.Request{call(t, apes, false, batches, hot, cold, []*big.Int{big.NewInt(7)}, []*big.Int{big.NewInt(1), big.NewInt(2)}, []byte{})},
		},
		"a permit of all of a currency": {
			planted: []*rules.Request{typed(hot, 1, usdc, "Permit", map[string]string{"Permit": "address holder,address spender,uint256 nonce,uint256 expiry,bool allowed"}, map[string]any{
				"holder": hot.Hex(), "spender": cold.Hex(), "nonce": "0", "expiry": fmt.Sprint(later.Unix()), "allowed": true,
			})},
			beyond: []*rules.Request{permit(hot, cold, most(), later), permit(hot, cold, million(1), later)},
		},
		"a permit of a currency": {
			planted: []*rules.Request{permit(hot, address("5"), million(50), later)},
			beyond:  []*rules.Request{permitOfOne(address("5"), "1")},
		},
		"documents of a name with and without addresses": {
			planted: []*rules.Request{mail("address to", map[string]any{"to": cold.Hex()})},
			beyond:  []*rules.Request{mail("address to", map[string]any{"to": address("e").Hex()}), mail("uint256 x", map[string]any{"x": "1"})},
			never:   []*rules.Request{mail("uint256 x", map[string]any{"x": "1"})},
		},
		"documents of a name with fewer addresses": {
			planted: []*rules.Request{mail("address from,address to", map[string]any{"from": hot.Hex(), "to": cold.Hex()})},
			beyond:  []*rules.Request{mail("address from,address to", map[string]any{"from": hot.Hex(), "to": address("e").Hex()})},
			never:   []*rules.Request{mail("address from", map[string]any{"from": hot.Hex()})},
		},
		"addresses within structs and arrays of a document": {
			planted: []*rules.Request{mail("Line line,Line[] more,address[] all", map[string]any{
				"line": map[string]any{"recipient": cold.Hex(), "amount": "1"}, "more": []any{map[string]any{"recipient": hot.Hex(), "amount": "1"}}, "all": []any{},
			})},
			beyond: []*rules.Request{
				mail("Line line,Line[] more,address[] all", map[string]any{
					"line": map[string]any{"recipient": address("e").Hex(), "amount": "1"}, "more": []any{}, "all": []any{},
				}),
				mail("Line line,Line[] more,address[] all", map[string]any{
					"line": map[string]any{"recipient": cold.Hex(), "amount": "1"}, "more": []any{map[string]any{"recipient": cold.Hex(), "amount": "1"}}, "all": []any{},
				}),
				mail("Line line,Line[] more,address[] all", map[string]any{
					"line": map[string]any{"recipient": cold.Hex(), "amount": "1"}, "more": []any{}, "all": []any{cold.Hex()},
				}),
			},
		},
		"a document of no contract":   {never: []*rules.Request{nameless()}},
		"a permit with a witness":     {never: []*rules.Request{witnessed(hot.Hex())}},
		"a beneficiary of operations": {planted: []*rules.Request{call(t, address("b"), false, handle, operations, hot)}, beyond: []*rules.Request{call(t, address("b"), false, handle, operations, address("6"))}},
		"a receiver of refunds":       {planted: []*rules.Request{executes(common.Address{})}, beyond: []*rules.Request{executes(address("6"))}},
		"addresses in tuples and arrays of arguments": {
			planted: []*rules.Request{fills(hot, hot, cold)},
			beyond:  []*rules.Request{fills(address("e"), hot, cold), fills(hot, address("e"), cold), fills(hot, hot, address("e"))},
		},
		"messages that begin as a sign-in": {
			never: []*rules.Request{
				message(hot, "bank.example0 is my friend"+strings.Repeat("!", 200)), message(hot, "bank.example1 is my friend"+strings.Repeat("!", 200)),
				message(hot, "https://other.example wants you to sign in with your Ethereum account:\n"+strings.Repeat("!", 200)),
			},
			beyond: []*rules.Request{site},
		},
		"a sign-in without a statement": {
			planted: []*rules.Request{silent, site},
			beyond:  []*rules.Request{message(hot, strings.Replace(text, "https://bank.example", "https://evil.example", 1))},
		},
		"a sign-in that names resources": {never: []*rules.Request{message(hot, text+"\nResources:\n- urn:recap:all")}, beyond: []*rules.Request{site}},
		"batches with calls that are not known": {
			planted: []*rules.Request{batch(within), batch(within, []byte{1, 2, 3, 4}), batch(within, pack(t, "approve(address,uint256)", address("3"), most()))},
			beyond:  []*rules.Request{batch(pack(t, "transfer(address,uint256)", address("3"), million(3)))},
		},
		"several tokens at once": {never: []*rules.Request{call(t, address("b"), false, "transferFrom((address,address,uint160,address)[])", []struct {
			Name0, Name1 common.Address
			Name2        *big.Int
			Name3        common.Address
		}{{hot, cold, million(1), usdc}, {hot, cold, million(1), apes}})}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := with(append(tt.planted, tt.never...)...)
			draft := drafted(t, l, policysuggest.Options{Margin: 20})
			if draft.Covered != len(tt.planted)+1 {
				t.Errorf("%d are covered, and others are not: %+v\n%s", draft.Covered, draft.Others, draft.Source)
			}
			for i, req := range tt.planted {
				if why := decides(t, draft, req); why != "" {
					t.Errorf("planted %d: %s\n%s", i, why, draft.Source)
				}
			}
			for i, req := range append(tt.beyond, tt.never...) {
				if why := decides(t, draft, req); why == "" {
					t.Errorf("%d is allowed by\n%s", i, draft.Source)
				}
			}
		})
	}
}

// TestTotalsLast: limits of tokens stand, whatever is added to a batch that can't be
// counted.
func TestTotalsLast(t *testing.T) {
	t.Parallel()
	within := pack(t, "transfer(address,uint256)", address("3"), million(1))
	for name, planted := range map[string][]byte{
		"a call that is not known": {1, 2, 3, 4},
		"no bound":                 pack(t, "approve(address,uint256)", address("3"), most()),
		"an id":                    pack(t, "safeTransferFrom(address,address,uint256)", hot, address("3"), big.NewInt(1)),
	} {
		l := newLog()
		l.signed(l.tx(&usdc, 0, pack(t, "multicall(bytes[])", [][]byte{within, planted})))
		l.signed(l.tx(&usdc, 0, pack(t, "multicall(bytes[])", [][]byte{within})))
		draft := drafted(t, l, policysuggest.Options{})
		first, second, _ := strings.Cut(string(draft.Source), "id: payouts-multicall-2\n")
		if !strings.Contains(first, "measure: amount, token: T1") || strings.Contains(second, "measure: amount") || !strings.Contains(second, "# No limit of tokens:") {
			t.Errorf("%s:\n%s", name, draft.Source)
		}
	}
}

// TestOneRequestIsNoVeto: what a draft can't have is left out and said to be, and the
// rest is drafted.
func TestOneRequestIsNoVeto(t *testing.T) {
	t.Parallel()
	c, zero := address("c"), common.Address{}
	claim := pack(t, "claim(address,uint256)", address("3"), big.NewInt(1))
	for name, tt := range map[string]struct {
		sign func(l *log)
		left int
		why  string
	}{
		"more gas than a rule can name": {func(l *log) {
			l.signed(transaction(hot, &types.DynamicFeeTx{ChainID: big.NewInt(1), To: &cold, Value: big.NewInt(1), Gas: math.MaxUint64, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1)}))
		}, 1, "of more gas than a rule can allow"},
		"a call with and without its signature": {func(l *log) {
			named := l.signed(l.tx(&c, 0, claim))
			named.Call = &rules.Call{Selector: [4]byte(claim), Method: "claim(address,uint256)", Arguments: []any{address("3"), big.NewInt(1)}}
			for range 9 {
				l.signed(l.tx(&c, 0, claim))
			}
		}, 9, "the rule that was drafted for them refuses entry 7: "},
		"calls without their signature among others that have it": {func(l *log) {
			for i := range 6 {
				req := l.signed(l.tx(&c, 0, claim))
				if i != 1 && i != 2 {
					req.Call = &rules.Call{Selector: [4]byte(claim), Method: "claim(address,uint256)", Arguments: []any{address("3"), big.NewInt(1)}}
				}
			}
		}, 2, "of another sort, and they use up the limits of the rule payouts-claim"},
		"a refund in a token of its own": {func(l *log) {
			req := l.signed(safeTx(hot, address("a"), cold, 1, nil, 0, 1000, 1))
			req.TypedData.Message["gasToken"] = usdc.Hex()
		}, 0, ""},
		"Permit2 at the address of zeros": {func(l *log) {
			l.signed(l.tx(&zero, 0, pack(t, "approve(address,address,uint160,uint48)", usdc, address("7"), million(5), big.NewInt(1))))
		}, 0, ""},
		"a token at the address of zeros": {func(l *log) {
			l.signed(l.tx(&zero, 0, pack(t, "transfer(address,uint256)", zero, million(1))))
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog()
			l.signed(ask(rules.KindList, common.Address{}))
			tt.sign(l)
			draft := drafted(t, l, policysuggest.Options{Margin: 20})
			left := 0
			for _, m := range draft.Others {
				left += m.Count
			}
			if left != tt.left || left > 0 && !strings.HasPrefix(draft.Others[0].Why, tt.why) || draft.Covered != len(l.all)-left {
				t.Errorf("%d are covered, not %+v\n%s", draft.Covered, draft.Others, draft.Source)
			}
			if left > 0 && !strings.Contains(string(draft.Source), "#  - ") {
				t.Errorf("the draft does not say so:\n%s", draft.Source)
			}
		})
	}
}
