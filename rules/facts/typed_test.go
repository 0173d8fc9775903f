package facts

import (
	"encoding/json"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

func permit2Contract() common.Address {
	return common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")
}

// document is typed data as the decoder leaves it: numbers are decimal texts.
func document(primary string, types map[string]string, message map[string]any) *rules.Request {
	domain := "string name,string version,address verifyingContract,bytes32 salt"
	named, contract := "USD Coin", token
	if strings.HasPrefix(primary, "PermitSingle") || strings.HasPrefix(primary, "PermitBatch") || strings.HasSuffix(primary, "TransferFrom") {
		domain, named, contract = "string name,uint256 chainId,address verifyingContract", "Permit2", permit2Contract()
	}
	types = maps.Clone(types)
	if _, ok := types["EIP712Domain"]; !ok {
		types["EIP712Domain"] = domain
	}
	data := &apitypes.TypedData{
		Types: apitypes.Types{}, PrimaryType: primary, Message: message,
		Domain: apitypes.TypedDataDomain{Name: named, Version: "2", VerifyingContract: contract.Hex(), Salt: "0x" + strings.Repeat("11", 32)},
	}
	for name, fields := range types {
		for field := range strings.SplitSeq(fields, ",") {
			kind, member, _ := strings.Cut(field, " ")
			data.Types[name] = append(data.Types[name], apitypes.Type{Name: member, Type: kind})
		}
	}
	return &rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: sender}, ChainID: big.NewInt(1), TypedData: data}
}

// TestHandovers: what the signature of each kind of permit hands over.
func TestHandovers(t *testing.T) {
	const details = "address token,uint160 amount,uint48 expiration,uint48 nonce"
	const permitted = "address token,uint256 amount"
	deadline := number(1700000000)
	permit := Effect{Kind: Permit, Token: token, Owner: sender, Recipient: payee, Amount: number(5), Deadline: &deadline}
	change := func(f func(*Effect)) []Effect {
		e := permit
		f(&e)
		return []Effect{e}
	}
	line := map[string]any{"token": token.Hex(), "amount": "5", "expiration": "1", "nonce": "0"}
	allowed := map[string]any{"token": token.Hex(), "amount": "5"}
	for _, tt := range []struct {
		name, primary string
		types         map[string]string
		message       map[string]any
		want          []Effect
	}{
		{
			"EIP-2612", "Permit",
			map[string]string{"Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline"},
			map[string]any{"owner": sender.Hex(), "spender": payee.Hex(), "value": "5", "nonce": "0", "deadline": "1700000000"},
			[]Effect{permit},
		},
		{
			"DAI", "Permit",
			map[string]string{"Permit": "address holder,address spender,uint256 nonce,uint256 expiry,bool allowed"},
			map[string]any{"holder": sender.Hex(), "spender": payee.Hex(), "nonce": "0", "expiry": "0", "allowed": true},
			change(func(e *Effect) { e.Amount, e.Unlimited, e.Deadline = maxUint256(), true, nil }),
		},
		{
			"EIP-3009", "TransferWithAuthorization",
			map[string]string{"TransferWithAuthorization": "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce"},
			map[string]any{"from": sender.Hex(), "to": payee.Hex(), "value": "5", "validAfter": "0", "validBefore": "1700000000", "nonce": "0x" + strings.Repeat("00", 32)},
			change(func(e *Effect) { e.Kind = Transfer }),
		},
		{
			"Permit2, one", "PermitSingle",
			map[string]string{"PermitSingle": "PermitDetails details,address spender,uint256 sigDeadline", "PermitDetails": details},
			map[string]any{"details": line, "spender": payee.Hex(), "sigDeadline": "1700000000"},
			[]Effect{permit},
		},
		{
			"Permit2, many", "PermitBatch",
			map[string]string{"PermitBatch": "PermitDetails[] details,address spender,uint256 sigDeadline", "PermitDetails": details},
			map[string]any{"details": []any{line, line}, "spender": payee.Hex(), "sigDeadline": "1700000000"},
			[]Effect{permit, permit},
		},
		{
			"Permit2, transfer", "PermitTransferFrom",
			map[string]string{"PermitTransferFrom": "TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline", "TokenPermissions": permitted},
			map[string]any{"permitted": allowed, "spender": payee.Hex(), "nonce": "1", "deadline": "1700000000"},
			[]Effect{permit},
		},
		{
			"Permit2, witness", "PermitWitnessTransferFrom",
			map[string]string{"PermitWitnessTransferFrom": "TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Order order", "TokenPermissions": permitted, "Order": "uint256 id"},
			map[string]any{"permitted": allowed, "spender": payee.Hex(), "nonce": "1", "deadline": "1700000000", "order": map[string]any{"id": "1"}},
			[]Effect{permit},
		},
		{
			"Permit2, batch with witness", "PermitBatchWitnessTransferFrom",
			map[string]string{"PermitBatchWitnessTransferFrom": "TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline,Order order", "TokenPermissions": permitted, "Order": "uint256 id"},
			map[string]any{"permitted": []any{allowed}, "spender": payee.Hex(), "nonce": "1", "deadline": "1700000000", "order": map[string]any{"id": "1"}},
			[]Effect{permit},
		},
		{"no permit", "Mail", map[string]string{"Mail": "string text"}, map[string]any{"text": "hello"}, nil},
	} {
		f := Of(document(tt.primary, tt.types, tt.message), noon())
		var got []Effect
		for _, a := range f.Actions {
			if a.Decoding != Known || *a.To != token || a.Depth != 0 {
				t.Errorf("%s: %+v", tt.name, a)
			}
			got = append(got, a.Effects...)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v\nwant %+v", tt.name, got, tt.want)
		}
		checkActions(t, f.Actions)
	}
}

// TestTyped: values are converted by their types, and what has no type is not
// there.
func TestTyped(t *testing.T) {
	types := map[string]string{
		"Order": "address to,uint256 amount,int8 change,bytes data,bytes4 id,bool now,string note,Line[] lines,uint256[2] pair",
		"Line":  "address token",
	}
	f := Of(document("Order", types, map[string]any{
		"to": payee.Hex(), "amount": "0x10", "change": "-1", "data": "0x0102", "id": "0x01020304", "now": true, "note": "n",
		"lines": []any{map[string]any{"token": token.Hex(), "hidden": "1"}}, "pair": []any{"1", "2"}, "hidden": "1",
	}), noon())
	want := map[string]any{
		"to": payee, "amount": big.NewInt(16), "change": big.NewInt(-1), "data": []byte{1, 2}, "id": []byte{1, 2, 3, 4}, "now": true, "note": "n",
		"lines": []any{map[string]any{"token": token}}, "pair": []any{big.NewInt(1), big.NewInt(2)},
	}
	if !reflect.DeepEqual(f.Typed.Message, want) {
		t.Errorf("got %#v", f.Typed.Message)
	}
	if f.Typed.Name != "USD Coin" || f.Typed.Version != "2" || *f.Typed.Contract != token || f.Typed.Salt == nil || f.Kind != KindTypedData {
		t.Errorf("domain: %+v", f.Typed)
	}
}

// TestSafe: the call of a Safe transaction is made in the name of the Safe.
func TestSafe(t *testing.T) {
	data := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	types := map[string]string{
		"SafeTx":       "address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce",
		"EIP712Domain": "uint256 chainId,address verifyingContract",
	}
	safe := func(operation string, kind rules.Kind, change func(*apitypes.TypedData)) *Facts {
		req := document("SafeTx", types, map[string]any{
			"to": token.Hex(), "value": "3", "data": "0x" + common.Bytes2Hex(data), "operation": operation, "safeTxGas": "1000", "baseGas": "500", "gasPrice": "2",
			"gasToken": other.Hex(), "refundReceiver": payee.Hex(), "nonce": "1",
		})
		req.Kind = kind
		req.TypedData.Domain.VerifyingContract = other.Hex()
		if change != nil {
			change(req.TypedData)
		}
		return Of(req, noon())
	}
	f := safe("0", rules.KindSafe, nil)
	if s := f.Typed.Safe; s == nil || s.Address != other || s.GasToken != other || s.RefundReceiver != payee || s.MaxRefund != number(203000) {
		t.Fatalf("got %+v", s)
	}
	a := f.Actions[0]
	if len(f.Actions) != 1 || a.From != other || *a.To != token || a.Value != number(3) || a.Delegate || len(a.Effects) != 1 || a.Effects[0].Owner != other {
		t.Errorf("got %+v", f.Actions)
	}
	for _, operation := range []string{"1", "2"} {
		if a := safe(operation, rules.KindSafe, nil).Actions[0]; !a.Delegate || a.Opaque == "" {
			t.Errorf("operation %s: %+v", operation, a)
		}
	}
	if f := safe("0", rules.KindTypedData, nil); f.Kind != KindSafe || f.Typed.Safe == nil || len(f.Actions) != 1 || f.Actions[0].From != other {
		t.Errorf("as typed data: %s, %+v", f.Kind, f.Actions)
	}
	for name, change := range map[string]func(*apitypes.TypedData){
		"a number is none":    func(d *apitypes.TypedData) { d.Message["value"] = "many" },
		"data is none":        func(d *apitypes.TypedData) { d.Message["data"] = "0xz" },
		"a member is missing": func(d *apitypes.TypedData) { delete(d.Message, "data") },
		"another member": func(d *apitypes.TypedData) {
			d.Types["SafeTx"][0].Name = "target"
			d.Message["target"] = d.Message["to"]
		},
		"another domain": func(d *apitypes.TypedData) { d.Types["EIP712Domain"] = d.Types["EIP712Domain"][:1] },
	} {
		if f := safe("0", rules.KindSafe, change); len(f.Actions) != 1 || f.Actions[0].Opaque == "" {
			t.Errorf("%s: %+v", name, f.Actions)
		}
	}
}

// TestForeignDomains: a permit is one for its own contract alone.
func TestForeignDomains(t *testing.T) {
	single := func(change func(*apitypes.TypedData)) *Facts {
		req := document("PermitSingle", map[string]string{
			"PermitSingle":  "PermitDetails details,address spender,uint256 sigDeadline",
			"PermitDetails": "address token,uint160 amount,uint48 expiration,uint48 nonce",
		}, map[string]any{
			"details": map[string]any{"token": token.Hex(), "amount": "5", "expiration": "1", "nonce": "0"},
			"spender": payee.Hex(), "sigDeadline": "1700000000",
		})
		change(req.TypedData)
		return Of(req, noon())
	}
	f := single(func(d *apitypes.TypedData) { d.Domain.VerifyingContract = other.Hex() })
	if len(f.Actions) != 1 || f.Actions[0].Opaque == "" || len(f.Actions[0].Effects) != 1 {
		t.Errorf("a copy of Permit2: %+v", f.Actions)
	}
	for name, change := range map[string]func(*apitypes.TypedData){
		"another name":       func(d *apitypes.TypedData) { d.Domain.Name = "Permit3" },
		"no chain":           func(d *apitypes.TypedData) { d.Types["EIP712Domain"] = slices.Delete(d.Types["EIP712Domain"], 1, 2) },
		"a contract unnamed": func(d *apitypes.TypedData) { d.Types["EIP712Domain"] = d.Types["EIP712Domain"][:2] },
		"an amount is none":  func(d *apitypes.TypedData) { d.Message["details"].(map[string]any)["amount"] = 5.5 },
	} {
		if f := single(change); len(f.Actions) != 1 || f.Actions[0].Opaque != aPermit || f.Typed == nil {
			t.Errorf("%s: %+v", name, f.Actions)
		}
	}
}

// FuzzTypedData looks for panics, and for effects of what is not exactly a
// permit: documents of any types and values.
func FuzzTypedData(f *testing.F) {
	const permit = `{"types":{"EIP712Domain":[{"name":"verifyingContract","type":"address"}],"Permit":[{"name":"owner","type":"address"},` +
		`{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]},` +
		`"primaryType":"Permit","domain":{"verifyingContract":"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"},"message":{` +
		`"owner":"0x1111111111111111111111111111111111111111","spender":"0x4444444444444444444444444444444444444444","value":"5","nonce":"0","deadline":"1"}}`
	f.Add(permit, false)
	f.Add(strings.Replace(permit, `"value":"5"`, `"value":"-5"`, 1), false)
	f.Add(strings.Replace(permit, `"value":"5"`, `"value":[]`, 1), true)
	f.Add(strings.Replace(permit, `{"name":"value","type":"uint256"}`, `{"name":"value","type":"Permit[]"}`, 1), false)
	f.Fuzz(func(t *testing.T, document string, safe bool) {
		var data apitypes.TypedData
		if json.Unmarshal([]byte(document), &data) != nil {
			return
		}
		req := &rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: sender}, TypedData: &data}
		if safe {
			req.Kind = rules.KindSafe
		}
		facts := Of(req, noon())
		checkActions(t, facts.Actions)
		if facts.Kind == KindSafe && len(facts.Actions) == 0 {
			t.Fatal("a Safe transaction that does nothing")
		}
		if facts.Kind == KindTypedData && len(facts.Actions) > 0 && len(facts.Actions[0].Effects) > 0 {
			// What has effects is what is signed: go-ethereum agrees that it can be.
			if _, _, err := apitypes.TypedDataAndHash(data); err != nil {
				t.Fatalf("%+v are of no document: %v", facts.Actions, err)
			}
		}
	})
}
