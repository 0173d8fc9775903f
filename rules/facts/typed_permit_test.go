package facts

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// TestOtherHandovers is TestHandovers for forms that are rarely signed, with what
// the action is called and whose it is.
func TestOtherHandovers(t *testing.T) {
	t.Parallel()
	deadline, id := number(1700000000), number(9)
	effect := func(kind string, change func(*Effect)) Effect {
		e := Effect{Kind: kind, Token: token, Owner: sender, Recipient: payee, Amount: number(5), Deadline: &deadline}
		if change != nil {
			change(&e)
		}
		return e
	}
	const until = "1700000000"
	allowed := map[string]any{"token": token.Hex(), "amount": "5"}
	for _, tt := range []struct {
		name, primary string
		types         map[string]string
		message       map[string]any
		called        string
		want          []Effect
	}{
		{
			"EIP-3009, received", "ReceiveWithAuthorization",
			map[string]string{"ReceiveWithAuthorization": "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce"},
			map[string]any{"from": sender.Hex(), "to": payee.Hex(), "value": "5", "validAfter": "0", "validBefore": until, "nonce": "0x" + strings.Repeat("00", 32)},
			"receiveWithAuthorization",
			[]Effect{effect(Transfer, nil)},
		},
		{
			"EIP-2612, of another", "Permit",
			map[string]string{"Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline"},
			map[string]any{"owner": other.Hex(), "spender": payee.Hex(), "value": "5", "nonce": "0", "deadline": until},
			"permit",
			[]Effect{effect(Permit, func(e *Effect) { e.Owner = other })},
		},
		{
			"DAI, taken back", "Permit",
			map[string]string{"Permit": "address holder,address spender,uint256 nonce,uint256 expiry,bool allowed"},
			map[string]any{"holder": sender.Hex(), "spender": payee.Hex(), "nonce": "0", "expiry": until, "allowed": false},
			"permit",
			[]Effect{effect(Permit, func(e *Effect) { e.Amount.Clear() })},
		},
		{
			"ERC-4494", "Permit",
			map[string]string{"Permit": "address spender,uint256 tokenId,uint256 nonce,uint256 deadline"},
			map[string]any{"spender": payee.Hex(), "tokenId": "9", "nonce": "0", "deadline": until},
			"permit",
			[]Effect{effect(Permit, func(e *Effect) { e.Amount, e.ID, e.Single = id, &id, true })},
		},
		{
			"Permit2, a batch", "PermitBatchTransferFrom",
			map[string]string{"PermitBatchTransferFrom": "TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline", "TokenPermissions": "address token,uint256 amount"},
			map[string]any{"permitted": []any{allowed, allowed}, "spender": payee.Hex(), "nonce": "1", "deadline": until},
			"permit",
			[]Effect{effect(Permit, nil), effect(Permit, nil)},
		},
	} {
		f := Of(document(tt.primary, tt.types, tt.message), noon())
		var got []Effect
		for i, a := range f.Actions {
			path := ""
			if len(f.Actions) > 1 {
				path = nth("message", i)
			}
			if a.Name != tt.called || a.From != tt.want[0].Owner || a.Opaque != "" || a.Path != path {
				t.Errorf("%s: %+v", tt.name, a)
			}
			got = append(got, a.Effects...)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// batchOfPermits is typed data for Permit2 that hands over a token so many times.
func batchOfPermits(n int) *rules.Request {
	line := map[string]any{"token": token.Hex(), "amount": "5", "expiration": "1", "nonce": "0"}
	return document("PermitBatch", map[string]string{
		"PermitBatch":   "PermitDetails[] details,address spender,uint256 sigDeadline",
		"PermitDetails": "address token,uint160 amount,uint48 expiration,uint48 nonce",
	}, map[string]any{"details": slices.Repeat([]any{line}, n), "spender": payee.Hex(), "sigDeadline": "1700000000"})
}

// TestManyPermits: what is not looked at is said to be hidden.
func TestManyPermits(t *testing.T) {
	t.Parallel()
	for n, hidden := range map[int]bool{1: false, MaxActions: false, MaxActions + 1: true} {
		f := Of(batchOfPermits(n), noon())
		if len(f.Actions) != min(n, MaxActions) {
			t.Fatalf("%d: %d actions", n, len(f.Actions))
		}
		if last := f.Actions[len(f.Actions)-1]; (last.Opaque != "") != hidden {
			t.Errorf("%d: %q", n, last.Opaque)
		}
	}
	elsewhere := batchOfPermits(1)
	elsewhere.TypedData.Domain.VerifyingContract = "0x0000000000225e31D15943971F47aD3022F714Fa" // of ZKsync
	if f := Of(elsewhere, noon()); len(f.Actions) != 1 || f.Actions[0].Opaque != "" {
		t.Errorf("%+v", f.Actions)
	}
}

// TestUnsoundPermits: a value that is not of its type makes a permit one that is
// not understood.
func TestUnsoundPermits(t *testing.T) {
	t.Parallel()
	types := map[string]string{"Permit": "address holder,address spender,uint256 nonce,uint256 expiry,bool allowed"}
	whole := map[string]any{"holder": sender.Hex(), "spender": payee.Hex(), "nonce": "0", "expiry": "0", "allowed": true}
	for name, change := range map[string]func(d *apitypes.TypedData){
		"an address is a number": func(d *apitypes.TypedData) { d.Message["spender"] = 5.0 },
		"an address is short":    func(d *apitypes.TypedData) { d.Message["spender"] = "0x44" },
		"a truth is text":        func(d *apitypes.TypedData) { d.Message["allowed"] = "true" },
		"a number is below zero": func(d *apitypes.TypedData) { d.Message["expiry"] = "-1" },
		"a number is nothing":    func(d *apitypes.TypedData) { d.Message["expiry"] = (*math.HexOrDecimal256)(nil) },
		"a number is a fraction": func(d *apitypes.TypedData) { d.Message["expiry"] = 5.5 },
		"a member is missing":    func(d *apitypes.TypedData) { delete(d.Message, "nonce") },
		"no contract":            func(d *apitypes.TypedData) { d.Domain.VerifyingContract = "" },
		"no such type": func(d *apitypes.TypedData) {
			d.Types["More"] = []apitypes.Type{{Name: "a", Type: "fixed"}}
			d.Types["Permit"] = append(d.Types["Permit"], apitypes.Type{Name: "more", Type: "More"})
			d.Message["more"] = map[string]any{"a": "1"}
		},
	} {
		req := document("Permit", types, maps.Clone(whole))
		change(req.TypedData)
		if f := Of(req, noon()); len(f.Actions) != 1 || f.Actions[0].Opaque != aPermit || len(f.Actions[0].Effects) != 0 {
			t.Errorf("%s: %+v", name, f.Actions)
		}
	}
	number := (*math.HexOrDecimal256)(math.MustParseBig256("7"))
	req := document("Permit", types, maps.Clone(whole))
	req.TypedData.Message["expiry"] = number
	if f := Of(req, noon()); len(f.Actions) != 1 || len(f.Actions[0].Effects) != 1 || f.Actions[0].Effects[0].Deadline.Uint64() != 7 {
		t.Errorf("%+v", f.Actions)
	}

	listed := batchOfPermits(1)
	listed.TypedData.Message["details"] = "none"
	if f := Of(listed, noon()); len(f.Actions) != 1 || f.Actions[0].Opaque != aPermit {
		t.Errorf("no list: %+v", f.Actions)
	}
}

// TestResembling: what has not exactly the types of a permit of Permit2 is none, however
// sound its values are.
func TestResembling(t *testing.T) {
	t.Parallel()
	const permitted = "address token,uint256 amount"
	line := map[string]any{"token": token.Hex(), "amount": "5"}
	for primary, types := range map[string]map[string]string{
		"PermitSingle":              {"PermitSingle": "PermitDetails details,address spender,uint256 sigDeadline", "PermitDetails": permitted},
		"PermitWitnessTransferFrom": {"PermitWitnessTransferFrom": "address spender"},
		"PermitAllWitnessTransferFrom": {
			"PermitAllWitnessTransferFrom": "TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline,uint256 witness", "TokenPermissions": permitted,
		},
	} {
		f := Of(document(primary, types, map[string]any{
			"details": line, "permitted": []any{line}, "spender": payee.Hex(), "sigDeadline": "1", "nonce": "0", "deadline": "1", "witness": "1",
		}), noon())
		if !f.Typed.sound || len(f.Actions) != 1 || f.Actions[0].Opaque != aPermit || len(f.Actions[0].Effects) != 0 {
			t.Errorf("%s: %+v", primary, f.Actions)
		}
	}
}

// TestValuesOfNoType stay as they are, and what a domain does not hold is not there.
func TestValuesOfNoType(t *testing.T) {
	t.Parallel()
	req := document("Note", map[string]string{"Note": "string text,bytes data,bytes32 word,bool now,address to"},
		map[string]any{"text": 5.0, "data": 5.0, "word": "0xz", "now": 5.0, "to": "somebody"})
	req.TypedData.Domain.VerifyingContract, req.TypedData.Domain.Salt = "nobody", "0x1111"
	f := Of(req, noon())
	if !reflect.DeepEqual(f.Typed.Message, req.TypedData.Message) || f.Typed.sound || f.Typed.Contract != nil || f.Typed.Salt != nil {
		t.Errorf("%+v", f.Typed)
	}
	req.TypedData.Domain.Salt = "salt" + strings.Repeat("1", 2*common.HashLength-2)
	if f := Of(req, noon()); f.Typed.Salt != nil {
		t.Errorf("%v", f.Typed.Salt)
	}
}
