package facts

import (
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// safeFields are the members of a Safe transaction, as EIP-712 encodes them.
const safeFields = "address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice," +
	"address gasToken,address refundReceiver,uint256 nonce"

// safeOverhead is gas that a Safe refunds besides what a transaction names: what
// it uses itself while it makes the call. It is no more than 40 000 where the
// transaction makes an account; the rest is for gas that becomes dearer. Without it,
// a transaction that names no gas, and a price, would seem to cost nothing.
const safeOverhead = 100_000

// isSafe tells whether typed data is a transaction that a Safe would take,
// whichever way it was asked for. Safes before 1.3 have no chain in their domain.
func (t *Typed) isSafe() bool {
	domain := encoded(t.types[domainType])
	fields := encoded(t.types["SafeTx"])
	old := strings.Replace(safeFields, "baseGas", "dataGas", 1) // before 1.0
	return t.PrimaryType == "SafeTx" && (fields == safeFields || fields == old) &&
		(domain == "address verifyingContract" || domain == "uint256 chainId,address verifyingContract")
}

// safeOf reads what a Safe transaction says besides the call it makes.
func safeOf(t *Typed) *Safe {
	if t.Contract == nil {
		return nil
	}
	m := message(t.Message)
	gas := sum(sum(sum(m.amount("baseGas"), m.amount("dataGas")), m.amount("safeTxGas")), *uint256.NewInt(safeOverhead))
	return &Safe{
		Address:        *t.Contract,
		GasToken:       m.address("gasToken"),
		RefundReceiver: m.address("refundReceiver"),
		GasPrice:       m.amount("gasPrice"),
		MaxRefund:      product(gas, m.amount("gasPrice")),
	}
}

// safeActions are the call that a Safe transaction makes, in the name of the
// Safe, and what lies within it. The signer is an owner of the Safe.
func safeActions(signer common.Address, t *Typed) []Action {
	if t == nil || t.Safe == nil || !t.sound || !t.isSafe() {
		return []Action{{Delegate: true, Opaque: "the Safe transaction can't be read"}} // it may be anything
	}
	m := message(t.Message)
	to := m.address("to")
	data, _ := t.Message["data"].([]byte)
	operation := m.amount("operation")
	return actionsOf(signer, Action{From: t.Safe.Address, To: &to, Value: m.amount("value"), Data: data, Delegate: !operation.IsZero()})
}

// message are the members of a typed message.
type message map[string]any

// address returns an address, zero where there is none.
func (m message) address(name string) common.Address {
	address, _ := m[name].(common.Address)
	return address
}

// amount returns a number, 0 where there is none.
func (m message) amount(name string) uint256.Int {
	n, _ := m[name].(*big.Int)
	return saturated(n)
}

func (m message) truth(name string) bool {
	truth, _ := m[name].(bool)
	return truth
}

// inner returns a struct, empty where there is none.
func (m message) inner(name string) message {
	members, _ := m[name].(map[string]any)
	return members
}

// list returns the structs of an array.
func (m message) list(name string) []message {
	list, _ := m[name].([]any)
	all := make([]message, 0, len(list))
	for _, element := range list {
		members, _ := element.(map[string]any)
		all = append(all, members)
	}
	return all
}
