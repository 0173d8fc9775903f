package facts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// safeOf reads what a Safe transaction says besides the call it makes.
func safeOf(t *Typed) *Safe {
	if t.Contract == nil {
		return nil
	}
	m := message(t.Message)
	return &Safe{
		Address:        *t.Contract,
		GasToken:       m.address("gasToken"),
		RefundReceiver: m.address("refundReceiver"),
		GasPrice:       m.amount("gasPrice"),
		MaxRefund:      product(sum(m.amount("baseGas"), m.amount("safeTxGas")), m.amount("gasPrice")),
	}
}

// safeCall is the call that a Safe transaction makes, in the name of the Safe.
func safeCall(t *Typed) (Action, bool) {
	if t == nil || t.Safe == nil {
		return Action{}, false
	}
	m := message(t.Message)
	to := m.address("to")
	data, _ := t.Message["data"].([]byte)
	operation := m.amount("operation")
	return Action{From: t.Safe.Address, To: &to, Value: m.amount("value"), Data: data, Delegate: !operation.IsZero()}, true
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
