package limit

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
)

// measuring is a limit applied to a request.
type measuring struct {
	*Limit
	*prepared

	facts *facts.Facts

	found  []string // what arguments returns
	sought bool
}

// items are the amounts that count.
func (m *measuring) items() (items []item, err error) {
	switch m.Measure {
	case Value:
		items, err = m.values()
	case GasCost:
		if err = m.ownCalls(); err == nil {
			items, err = m.wholes(m.gasCost(), m.called())
		}
	case Spend:
		if items, err = m.values(); err == nil {
			var gas []item
			gas, err = m.wholes(m.gasCost(), m.called())
			items = append(items, gas...)
		}
	case Amount:
		items, err = m.amounts()
	case Argument:
		items, err = m.arguments()
	case Signatures:
		items, err = m.wholes(*uint256.NewInt(1), m.beneficiaries())
	}
	return items, err
}

// owner is whose ether and tokens are counted.
func (m *measuring) owner() common.Address {
	if m.facts.Kind == facts.KindSafe && m.facts.Typed != nil && m.facts.Typed.Safe != nil {
		return m.facts.Typed.Safe.Address
	}
	return m.facts.Request.Account.Address
}

var errHandedOver = errors.New("an authorization hands the account over to a contract, which can spend all of it")

// understood tells whether it is known what the account does by itself.
func (m *measuring) understood() error {
	if m.facts.Kind == facts.KindSafe && len(m.facts.Actions) == 0 {
		return errors.New("the call of the Safe is not known")
	}
	if m.facts.Tx == nil {
		return nil
	}
	for _, d := range m.facts.Tx.Delegates {
		if d.Authority == m.facts.Request.Account.Address && d.Contract != (common.Address{}) {
			return errHandedOver
		}
	}
	return nil
}

// ownCalls fails for typed data by which others make calls in the name of the
// account: they may spend its ether, on gas too.
func (m *measuring) ownCalls() error {
	for i := range m.facts.Actions {
		if a := &m.facts.Actions[i]; a.Calls {
			return fmt.Errorf("%s may spend ether of the account%s", at(a), because(a))
		}
	}
	return nil
}

// values are the wei that leave the owner, or for each recipient what it gets.
func (m *measuring) values() ([]item, error) {
	if err := m.understood(); err != nil {
		return nil, err
	}
	if err := m.ownCalls(); err != nil {
		return nil, err
	}
	owner := m.owner()
	var items []item
	var powers [facts.MaxDepth + 2]bool // of the action at each depth: whether its calls are made by the owner
	for i := range m.facts.Actions {
		a := &m.facts.Actions[i]
		if a.Depth < 0 || a.Depth >= len(powers) {
			return nil, fmt.Errorf("%s lies too deep", at(a))
		}
		own := a.Depth == 0 || powers[a.Depth-1]
		powers[a.Depth] = own && a.Delegate || a.To != nil && *a.To == owner
		if powers[a.Depth] && (a.Opaque != "" || a.Decoding == facts.Unknown || a.Decoding == facts.Other) {
			return nil, fmt.Errorf("%s is made with the powers of the account, and is not understood%s", at(a), because(a))
		}
		if m.per[PerRecipient] && a.Opaque != "" && a.To != nil && m.sendsEther() {
			return nil, fmt.Errorf("%s may pass ether on to others: %s", at(a), a.Opaque)
		}
		if a.Depth > 0 && a.Delegate || a.Value.IsZero() {
			continue // a delegate call sends nothing
		}
		if !own && !m.per[PerRecipient] {
			continue
		}
		arguments, err := m.argumentsOf(a)
		if err != nil {
			return nil, err
		}
		items = append(items, each(arguments, item{amount: a.Value, recipient: recipientOf(a.To)})...)
	}
	return items, nil
}

// sendsEther tells whether ether goes along with any action.
func (m *measuring) sendsEther() bool {
	return slices.ContainsFunc(m.facts.Actions, func(a facts.Action) bool { return !a.Value.IsZero() })
}

// gasCost is what a transaction or a Safe transaction costs at most.
func (m *measuring) gasCost() uint256.Int {
	if m.facts.Tx != nil {
		return m.facts.Tx.GasCost
	}
	if safe := m.safe(); safe != nil && safe.GasToken == (common.Address{}) {
		return safe.MaxRefund
	}
	return uint256.Int{}
}

func (m *measuring) safe() *facts.Safe {
	if m.facts.Typed == nil {
		return nil
	}
	return m.facts.Typed.Safe
}

// wholes is an amount of the whole request, for each recipient and each argument
// that it may be kept apart for.
func (m *measuring) wholes(amount uint256.Int, recipients []string) ([]item, error) {
	if !m.per[PerRecipient] {
		recipients = []string{none}
	}
	arguments, err := m.allArguments()
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(recipients)*len(arguments))
	for _, recipient := range recipients {
		items = append(items, each(arguments, item{amount: amount, recipient: recipient})...)
	}
	return items, nil
}

// called are whom the outermost actions call.
func (m *measuring) called() []string {
	var all []string
	for i := range m.facts.Actions {
		if a := &m.facts.Actions[i]; a.Depth == 0 {
			if to := recipientOf(a.To); !slices.Contains(all, to) {
				all = append(all, to)
			}
		}
	}
	if len(all) == 0 {
		return []string{none}
	}
	return all
}

// beneficiaries are who get or may take tokens of the owner, or else whom the
// outermost actions call.
func (m *measuring) beneficiaries() []string {
	owner := m.owner()
	var all []string
	for i := range m.facts.Actions {
		for _, effect := range m.facts.Actions[i].Effects {
			if to := hexOf(effect.Recipient); effect.Owner == owner && !slices.Contains(all, to) {
				all = append(all, to)
			}
		}
	}
	if len(all) == 0 {
		return m.called()
	}
	return all
}

func recipientOf(to *common.Address) string {
	if to == nil {
		return "create"
	}
	return hexOf(*to)
}

// at names an action for people.
func at(a *facts.Action) string {
	switch {
	case a.Path != "":
		return "the call at " + a.Path
	case a.To == nil:
		return "the creation"
	default:
		return "the call of " + hexOf(*a.To)
	}
}

func because(a *facts.Action) string {
	if a.Opaque == "" {
		return ""
	}
	return ": " + a.Opaque
}

// arguments are the numbers in the calls of the method.
func (m *measuring) arguments() ([]item, error) {
	var items []item
	for i := range m.facts.Actions {
		a := &m.facts.Actions[i]
		value, ok, err := m.argument(a)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		sum, err := sumOf(reflect.ValueOf(value))
		if err != nil {
			return nil, err
		}
		items = append(items, item{amount: sum, recipient: recipientOf(a.To), argument: none})
	}
	return items, nil
}

// sumOf adds up a number or a list of numbers, and stops at 2²⁵⁶−1.
func sumOf(value reflect.Value) (uint256.Int, error) {
	var sum uint256.Int
	switch value.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		sum.SetUint64(value.Uint())
		return sum, nil
	case reflect.Slice, reflect.Array:
		for i := range value.Len() {
			n, err := sumOf(value.Index(i))
			if err != nil {
				return sum, err
			}
			sum = plus(sum, n)
		}
		return sum, nil
	}
	n, ok := value.Interface().(*big.Int)
	if !ok || n == nil || n.Sign() < 0 || sum.SetFromBig(n) {
		return sum, fmt.Errorf("an argument of type %s is no number from 0 to 2^256-1", value.Type())
	}
	return sum, nil
}

// textOf is an argument as counters are named by it.
func textOf(value any) string {
	switch v := value.(type) {
	case common.Address:
		return hexOf(v)
	case []byte:
		return fmt.Sprintf("0x%x", v)
	case string:
		return strconv.Quote(v)
	}
	if v := reflect.ValueOf(value); v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Uint8 {
		return fmt.Sprintf("0x%x", value)
	}
	return fmt.Sprint(value)
}
