package policy

import (
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/units"
)

// amount is a number with its unit.
type amount struct {
	value uint256.Int // wei, or the token's smallest unit
	token *token      // nil: wei
	text  string      // as it was written
}

// unitSet are the units that amounts may have.
type unitSet uint8

const (
	inWei    unitSet = 1 << iota // wei, gwei, ether
	inTokens                     // declared tokens
)

// weiUnits are the decimals of each unit of ether.
func weiUnits() map[string]int { return map[string]int{"wei": 0, "gwei": 9, "ether": 18} }

var amountForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,77}))? +(\S+)$`)

// amount returns an amount such as "0.2 ether" or "10000 USDC", exactly.
func (p *parser) amount(node *yaml.Node, what string, allowed unitSet) (amount, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return amount{}, false
	}
	found := amountForm.FindStringSubmatch(text)
	if found == nil {
		p.errorf(node, "%s: want %s, not %s", what, allowed.example(), quoted(text))
		return amount{}, false
	}
	whole, fraction, unit := found[1], found[2], found[3]
	a := amount{text: text}
	decimals, known := weiUnits()[unit]
	switch declared, isToken := p.scope.tokens[unit]; {
	case known && allowed&inWei != 0:
	case isToken && allowed&inTokens != 0:
		a.token, decimals = &declared, declared.decimals
	default:
		p.errorf(node, "%s: %s is no unit here: want %s%s", what, quoted(unit), allowed.example(), didYouMean(unit, p.unitNames(allowed)))
		return amount{}, false
	}
	if len(fraction) > decimals {
		p.errorf(node, "%s: %s has %d decimals, and %s has %d", what, quoted(text), len(fraction), unit, decimals)
		return amount{}, false
	}
	digits, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
	value, overflow := uint256.FromBig(digits)
	if overflow {
		p.errorf(node, "%s: %s is more than 256 bits hold", what, quoted(text))
		return amount{}, false
	}
	a.value = *value
	return a, true
}

func (u unitSet) example() string {
	switch u {
	case inWei:
		return `an amount with a unit, such as "3 ether", "200 gwei" or "0 wei"`
	case inTokens:
		return `an amount of a declared token, such as "10000 USDC"`
	default:
		return `an amount with a unit, such as "3 ether" or "10000 USDC"`
	}
}

// unitNames are the units that may stand somewhere.
func (p *parser) unitNames(allowed unitSet) []string {
	var all []string
	if allowed&inWei != 0 {
		all = append(all, names(weiUnits())...)
	}
	if allowed&inTokens != 0 {
		all = append(all, names(p.scope.tokens)...)
	}
	slices.Sort(all)
	return all
}

// shownAmount writes a number in a unit: wei in ether or gwei where that is
// shorter, tokens with their decimals.
func shownAmount(value *uint256.Int, unit *token) string {
	if unit != nil {
		return units.Text(value.Dec(), unit.decimals) + " " + unit.name
	}
	return units.Wei(value)
}
