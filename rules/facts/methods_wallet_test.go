package facts

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// operated is a call of a batch of ERC-6551: target, value, data, operation.
type operated struct {
	Name0 common.Address
	Name1 *big.Int
	Name2 []byte
	Name3 uint8
}

// sending is a call of Safe's batch that sends wei to the payee.
func sending(operation byte, wei int64, data []byte) []byte {
	var value, length [32]byte
	big.NewInt(wei).FillBytes(value[:])
	big.NewInt(int64(len(data))).FillBytes(length[:])
	return bytes.Join([][]byte{{operation}, payee[:], value[:], length[:], data}, nil)
}

// TestEtherWithin: the ether of a call is found in every kind of call that makes
// others and sends some along.
func TestEtherWithin(t *testing.T) {
	t.Parallel()
	three, zero, none := big.NewInt(3), new(big.Int), []byte{}
	packed := append(payee.Bytes(), common.LeftPadBytes([]byte{3}, 32)...)
	single := []execution{{payee, three, none}}
	for name, data := range map[string][]byte{
		"Safe": calldatatest.Pack(t, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
			payee, three, none, uint8(0), zero, zero, zero, other, other, none),
		"a module":                    calldatatest.Pack(t, "execTransactionFromModule(address,uint256,bytes,uint8)", payee, three, none, uint8(0)),
		"a module that wants to know": calldatatest.Pack(t, "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)", payee, three, none, uint8(0)),
		"a module of ERC-4337":        calldatatest.Pack(t, "executeUserOp(address,uint256,bytes,uint8)", payee, three, none, uint8(0)),
		"the same, with its error":    calldatatest.Pack(t, "executeUserOpWithErrorString(address,uint256,bytes,uint8)", payee, three, none, uint8(0)),
		"ERC-6551":                    calldatatest.Pack(t, "execute(address,uint256,bytes,uint8)", payee, three, none, uint8(0)),
		"ERC-6551, a batch":           calldatatest.Pack(t, "executeBatch((address,uint256,bytes,uint8)[])", []operated{{payee, three, none, 0}}),
		"execute":                     calldatatest.Pack(t, "execute(address,uint256,bytes)", payee, three, none),
		"executeBatch":                calldatatest.Pack(t, "executeBatch(address[],uint256[],bytes[])", []common.Address{payee}, []*big.Int{three}, [][]byte{none}),
		"executions":                  calldatatest.Pack(t, "executeBatch((address,uint256,bytes)[])", single),
		"7579, single":                calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{}, packed),
		"7579, batch":                 calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1}, calldatatest.Pack(t, "batch((address,uint256,bytes)[])", single)[4:]),
		"7579, an executor":           calldatatest.Pack(t, "executeFromExecutor(bytes32,bytes)", [32]byte{}, packed),
		"multiSend":                   calldatatest.Pack(t, "multiSend(bytes)", sending(0, 3, nil)),
	} {
		to := token
		f := Of(call(&to, 0, data), noon())
		if len(f.Actions) != 2 || f.Actions[0].Opaque != "" {
			t.Errorf("%s: %+v", name, f.Actions)
			continue
		}
		if a := f.Actions[1]; a.Value != number(3) || *a.To != payee || a.From != token || a.Delegate || a.Decoding != None {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestWalletsHide what can't be known of calls that smart accounts make.
func TestWalletsHide(t *testing.T) {
	t.Parallel()
	zero, none := new(big.Int), []byte{}
	targets, data := []common.Address{payee, other}, [][]byte{none, none}
	long := sending(0, 0, []byte{1})
	huge := sending(0, 0, nil)
	huge[53+23] = 1 // its length is 2⁶⁴
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"a router, with a deadline":        {calldatatest.Pack(t, "execute(bytes,bytes[],uint256)", []byte{1}, [][]byte{{2}}, big.NewInt(1)), "router"},
		"an operation of no kind":          {calldatatest.Pack(t, "executeBatch((address,uint256,bytes,uint8)[])", []operated{{payee, zero, none, 2}, {payee, zero, none, 0}}), "neither"},
		"fewer values than targets":        {calldatatest.Pack(t, "executeBatch(address[],uint256[],bytes[])", targets, []*big.Int{zero}, data), "differ in length"},
		"more values than targets":         {calldatatest.Pack(t, "executeBatch(address[],uint256[],bytes[])", targets, []*big.Int{zero, zero, zero}, data), "differ in length"},
		"no values":                        {calldatatest.Pack(t, "executeBatch(address[],uint256[],bytes[])", targets, []*big.Int{}, data), ""},
		"multiSend, an operation":          {calldatatest.Pack(t, "multiSend(bytes)", sending(2, 0, nil)), "malformed"},
		"multiSend, one byte is missing":   {calldatatest.Pack(t, "multiSend(bytes)", long[:len(long)-1]), "malformed"},
		"multiSend, the length is beyond":  {calldatatest.Pack(t, "multiSend(bytes)", huge), "malformed"},
		"multiSend, a delegate call":       {calldatatest.Pack(t, "multiSend(bytes)", sending(1, 0, []byte{1, 2, 3, 4})), "foreign code"},
		"7579, a delegate call":            {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{0xff}, append(payee.Bytes(), 1, 2, 3, 4)), "foreign code"},
		"7579, a delegate call of nothing": {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{0xff}, payee.Bytes()), "foreign code"},
		"a delegate call of a batch of another name": {
			calldatatest.Pack(t, "execTransactionFromModule(address,uint256,bytes,uint8)", safeBatch(), zero, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{}), uint8(1)), "foreign code",
		},
		"a delegate call that is cut short": {
			calldatatest.Pack(t, "execTransactionFromModule(address,uint256,bytes,uint8)", other, zero, selectorOf(t, "transfer(address,uint256)"), uint8(1)), "do not fit",
		},
	} {
		to := token
		f := Of(call(&to, 0, tt.data), noon())
		got := ""
		for _, a := range f.Actions {
			got += a.Opaque
			if a.Depth > 0 && a.From != token {
				t.Errorf("%s: in the name of %s", name, a.From)
			}
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q is hidden, want %q", name, got, tt.want)
		}
	}
}

// TestCreations: what makes a contract has the code of it, or nothing.
func TestCreations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		data []byte
		want Decoding
	}{{nil, None}, {[]byte{1}, Other}, {selectorOf(t, "transfer(address,uint256)"), Other}} {
		if a := Of(call(nil, 1, tt.data), noon()).Actions[0]; a.Decoding != tt.want || a.Name != "" || a.Opaque != "" {
			t.Errorf("%x: %+v", tt.data, a)
		}
	}
}

// TestKinds: a header and data for a validator are told apart by their content type.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"application/x-clique-header": KindClique, "data/validator": KindValidator} {
		if f := Of(&rules.Request{Kind: rules.KindData, ContentType: kind}, noon()); f.Kind != want {
			t.Errorf("%s is of the kind %s", kind, f.Kind)
		}
	}
}
