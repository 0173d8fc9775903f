package facts

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestWhatMayBeTheAccountItselfIsHidden: some batches take the zero address for
// whoever makes the calls, and some modes hold batches in another form.
func TestWhatMayBeTheAccountItselfIsHidden(t *testing.T) {
	t.Parallel()
	type execution struct {
		Name0 common.Address
		Name1 *big.Int
		Name2 []byte
	}
	of := func(target common.Address) []byte {
		return calldatatest.Pack(t, "batch((address,uint256,bytes)[])", []execution{{target, big.NewInt(0), []byte{}}})[4:]
	}
	sent := func(target common.Address) []byte {
		return calldatatest.Pack(t, "multiSend(bytes)", append(append([]byte{0}, target[:]...), make([]byte, 64)...))
	}
	zero := common.Address{}
	for name, tt := range map[string]struct {
		data   []byte
		hidden bool
	}{
		"batch":                    {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1}, of(payee)), false},
		"batch, may fail":          {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1, 1}, of(payee)), false},
		"batch, itself":            {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1}, of(zero)), true},
		"ERC-7821, with data":      {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1, 0, 0, 0, 0, 0, 0x78, 0x21, 0, 1}, of(payee)), true},
		"ERC-7821, of batches":     {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1, 0, 0, 0, 0, 0, 0x78, 0x21, 0, 2}, of(payee)), true},
		"another way of execution": {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1, 2}, of(payee)), true},
		"multiSend":                {sent(payee), false},
		"multiSend, itself":        {sent(zero), true},
	} {
		to := other
		if f := Of(call(&to, 0, tt.data), noon()); (f.Actions[0].Opaque != "") != tt.hidden {
			t.Errorf("%s: %q", name, f.Actions[0].Opaque)
		}
	}
}

// TestASafeTransactionIsOneAsTypedData, also of contracts before version 1.0.0.
func TestASafeTransactionIsOneAsTypedData(t *testing.T) {
	t.Parallel()
	for _, gas := range []string{"baseGas", "dataGas"} {
		var fields []apitypes.Type
		for _, field := range [][2]string{
			{"address", "to"},
			{"uint256", "value"},
			{"bytes", "data"},
			{"uint8", "operation"},
			{"uint256", "safeTxGas"},
			{"uint256", gas},
			{"uint256", "gasPrice"},
			{"address", "gasToken"},
			{"address", "refundReceiver"},
			{"uint256", "nonce"},
		} {
			fields = append(fields, apitypes.Type{Type: field[0], Name: field[1]})
		}
		f := Of(&rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: sender}, ChainID: big.NewInt(1), TypedData: &apitypes.TypedData{
			Types: apitypes.Types{"EIP712Domain": {{Type: "address", Name: "verifyingContract"}}, "SafeTx": fields}, PrimaryType: "SafeTx", Domain: apitypes.TypedDataDomain{VerifyingContract: other.Hex()},
			Message: map[string]any{
				"to": payee.Hex(), "value": "3", "data": "0x", "operation": "0", "safeTxGas": "2", gas: "5", "gasPrice": "10",
				"gasToken": token.Hex(), "refundReceiver": payee.Hex(), "nonce": "0",
			},
		}}, noon())
		if f.Kind != KindSafe || len(f.Actions) != 1 || f.Actions[0].From != other || *f.Actions[0].To != payee || f.Actions[0].Value != number(3) || f.Typed.Safe.MaxRefund != number(70+10*safeOverhead) {
			t.Errorf("%s: %s %+v", gas, f.Kind, f.Actions)
		}
	}
}

// TestPermitOfACollection is ERC-4494.
func TestPermitOfACollection(t *testing.T) {
	t.Parallel()
	f := Of(&rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: sender}, TypedData: &apitypes.TypedData{
		Types: apitypes.Types{"EIP712Domain": {{Type: "address", Name: "verifyingContract"}}, "Permit": {
			{Type: "address", Name: "spender"}, {Type: "uint256", Name: "tokenId"}, {Type: "uint256", Name: "nonce"}, {Type: "uint256", Name: "deadline"},
		}},
		PrimaryType: "Permit", Domain: apitypes.TypedDataDomain{VerifyingContract: token.Hex()},
		Message: map[string]any{"spender": payee.Hex(), "tokenId": "7", "nonce": "0", "deadline": "99"},
	}}, noon())
	if len(f.Actions) != 1 || len(f.Actions[0].Effects) != 1 {
		t.Fatalf("%+v", f.Actions)
	}
	if e := f.Actions[0].Effects[0]; e.Kind != Permit || e.Token != token || e.Owner != sender || e.Recipient != payee || e.ID == nil || *e.ID != number(7) || !e.Single {
		t.Errorf("%+v", e)
	}
}
