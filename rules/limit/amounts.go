package limit

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
)

// amounts are what of tokens leaves the owner or may be taken from it.
func (m *measuring) amounts() ([]item, error) {
	if !m.onChain() {
		return nil, nil
	}
	if err := m.understood(); err != nil {
		return nil, err
	}
	if m.facts.Kind == facts.KindTypedData && len(m.facts.Actions) == 0 {
		return nil, errors.New("the typed data is of no kind that is known, and may hand tokens over")
	}
	owner := m.owner()
	var items []item
	for i := range m.facts.Actions {
		a := &m.facts.Actions[i]
		if err := m.moves(a, owner); err != nil {
			return nil, err
		}
		for j := range a.Effects {
			effect := &a.Effects[j]
			if effect.Owner != owner || m.Token != nil && effect.Token != *m.Token {
				continue
			}
			arguments, err := m.argumentsOf(a)
			if err != nil {
				return nil, err
			}
			items = append(items, each(arguments, item{amount: m.amountOf(effect), recipient: hexOf(effect.Recipient), token: m.tokenOf(effect.Token)})...)
		}
	}
	return m.refund(items)
}

// amountOf is what an effect counts.
func (m *measuring) amountOf(e *facts.Effect) uint256.Int {
	if m.Token == nil && e.Kind != facts.ApproveAll {
		collection, known := m.collection(e.Token)
		if collection || !known && (e.Single || e.Amount.IsZero()) {
			return *uint256.NewInt(1)
		}
	}
	if e.Unlimited {
		return *new(uint256.Int).SetAllOne()
	}
	return e.Amount
}

// collection tells whether a token is a collection, and whether that is known.
func (m *measuring) collection(token common.Address) (is, known bool) {
	id := m.facts.Request.ChainID
	if id == nil || !id.IsUint64() {
		return false, false
	}
	is, known = m.collections[place{id.Uint64(), token}]
	return is, known
}

// onChain tells whether the tokens of the request may be those of the limit. A
// signature that names no chain is good for any.
func (m *measuring) onChain() bool {
	id := m.facts.Request.ChainID
	return m.Chain == 0 || id == nil || id.IsUint64() && id.Uint64() == m.Chain
}

// moves fails for an action that may move tokens of the owner in a way that is
// not known.
func (m *measuring) moves(a *facts.Action, owner common.Address) error {
	ofToken := a.To != nil && (m.Token == nil || *a.To == *m.Token) // without a token, each contract may be one
	switch {
	case a.Opaque != "":
		return fmt.Errorf("%s may move tokens: %s", at(a), a.Opaque)
	case a.Decoding == facts.Unknown:
		return fmt.Errorf("the data of %s does not fit its method", at(a))
	case a.Decoding == facts.Other && (ofToken && a.From == owner || a.To != nil && *a.To == owner):
		return fmt.Errorf("%s is of a method that is not known", at(a))
	}
	return nil
}

// refund adds what a Safe pays in tokens to who sends its transaction.
func (m *measuring) refund(items []item) ([]item, error) {
	safe := m.safe()
	if safe == nil || safe.GasToken == (common.Address{}) || safe.MaxRefund == (uint256.Int{}) || m.Token != nil && safe.GasToken != *m.Token {
		return items, nil
	}
	arguments, err := m.allArguments()
	if err != nil {
		return nil, err
	}
	return append(items, each(arguments, item{amount: safe.MaxRefund, recipient: hexOf(safe.RefundReceiver), token: m.tokenOf(safe.GasToken)})...), nil
}
