package clefjs

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// answer is what a function returned, read.
type answer struct {
	listing bool            // the function was ApproveListing
	asked   []rules.Account // by the listing
	verdict rules.Verdict
	reason  string
	listed  []common.Address
}

// read reads a result. Only the primitive strings "Approve" and "Reject"
// decide; ApproveListing may return the accounts to show instead. It may throw.
func (a *answer) read(result goja.Value) {
	a.verdict = rules.Refer
	text, isText := result.(goja.String)
	switch {
	case isText && text.String() == "Approve":
		a.verdict, a.reason = rules.Approve, "the function returned \"Approve\""
	case isText && text.String() == "Reject":
		a.verdict, a.reason = rules.Reject, "the function returned \"Reject\""
	case a.listing && isArray(result):
		listed, wrong := a.accounts(result.(*goja.Object)) //nolint:errcheck // isArray has seen the object
		if wrong != "" {
			a.reason = wrong
			return
		}
		a.verdict, a.listed = rules.Approve, listed
		a.reason = fmt.Sprintf("the function returned %d of %d accounts", len(listed), len(a.asked))
	default:
		a.reason = "the function returned " + show(result) + `, which is neither "Approve" nor "Reject"`
	}
}

// accounts returns the addresses of an array of addresses or account objects,
// or what is wrong with it.
func (a *answer) accounts(array *goja.Object) (listed []common.Address, wrong string) {
	length := array.Get("length").ToInteger()
	if length > int64(len(a.asked)) {
		return nil, fmt.Sprintf("the function returned %d accounts, and was asked about %d", length, len(a.asked))
	}
	listed = make([]common.Address, 0, length)
	wanted := make(map[common.Address]bool, len(a.asked)) // whether it is not listed yet
	for _, account := range a.asked {
		wanted[account.Address] = true
	}
	for i := range int(length) {
		element := array.Get(fmt.Sprint(i))
		if object, ok := element.(*goja.Object); ok {
			element = object.Get("address")
		}
		text, ok := element.(goja.String)
		if !ok || !common.IsHexAddress(text.String()) || !strings.HasPrefix(text.String(), "0x") {
			return nil, fmt.Sprintf("element %d of what the function returned is no account: %s", i, show(element))
		}
		address := common.HexToAddress(text.String())
		first, asked := wanted[address]
		if !asked {
			return nil, fmt.Sprintf("the function returned %v, which it was not asked about", address)
		}
		if first {
			listed, wanted[address] = append(listed, address), false
		}
	}
	return listed, ""
}

func isArray(value goja.Value) bool {
	object, ok := value.(*goja.Object)
	return ok && object.ClassName() == "Array"
}

// show writes a value for people, bounded, and without running the file's code.
func show(value goja.Value) string {
	switch value := value.(type) {
	case nil:
		return "nothing"
	case *goja.Object:
		return "an object (" + clip(value.ClassName()) + ")"
	case goja.String:
		return fmt.Sprintf("%q", cut(value.String(), maxShown))
	default:
		return clip(value.String())
	}
}
