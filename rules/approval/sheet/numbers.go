package sheet

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/facts"
)

const noBound = "no balance reaches it: without a bound"

// isNumber reports whether a type is one of whole numbers.
func isNumber(typ string) bool {
	return !strings.HasSuffix(typ, "]") && (strings.HasPrefix(typ, "uint") || strings.HasPrefix(typ, "int"))
}

// unbounded reports whether a number, as an amount, would be one that no balance
// reaches, and whether that is a thing to warn of: where it is known what a call does,
// that is said of its effects, and other numbers may be as large as they like.
func (w *writer) unbounded(digits string) (large, warns bool) {
	number, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return false, false
	}
	amount, over := uint256.FromBig(new(big.Int).Abs(number))
	if !over && !facts.Unlimited(amount) {
		return false, false
	}
	if !w.understood() {
		return true, true
	}
	for i := range w.facts.Actions {
		for _, effect := range w.facts.Actions[i].Effects {
			if effect.Unlimited && !over && effect.Amount == *amount {
				return true, false
			}
		}
	}
	return false, false
}

// hidden marks an argument of a call that nothing is known of, and that has more than
// is seen at a glance: numbers without a bound in a list, and bytes.
func (w *writer) hidden(i int, argument approval.Argument, fact *Fact) {
	if w.understood() {
		return
	}
	about := fmt.Sprintf("Argument %d of %s", i, Inert(w.subject.Call.Method))
	if strings.HasSuffix(argument.Type, "]") || strings.HasPrefix(argument.Type, "(") {
		decoder := json.NewDecoder(strings.NewReader(argument.Value))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) == nil && w.unboundedIn(value) {
			fact.Warns = true
			w.warn(about + " has a number without a bound")
		}
	}
	if hasBytes(argument.Type) && argument.Value != "0x" && argument.Value != "[]" {
		fact.Warns = true
		w.warn(about + " has bytes that are not decoded: they may be further calls, which are not shown")
	}
}

// unboundedIn reports whether a value of JSON has a number without a bound.
func (w *writer) unboundedIn(value any) bool {
	switch v := value.(type) {
	case json.Number:
		large, _ := w.unbounded(v.String())
		return large
	case []any:
		for _, element := range v {
			if w.unboundedIn(element) {
				return true
			}
		}
	case map[string]any:
		for _, member := range v {
			if w.unboundedIn(member) {
				return true
			}
		}
	}
	return false
}

// hasBytes reports whether a type has bytes of any length, as bytes32 and such have not.
func hasBytes(typ string) bool {
	for rest := typ; ; {
		_, after, found := strings.Cut(rest, "bytes")
		if !found {
			return false
		}
		if after == "" || after[0] < '0' || after[0] > '9' {
			return true
		}
		rest = after
	}
}
