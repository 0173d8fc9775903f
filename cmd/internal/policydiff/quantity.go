package policydiff

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// quantity is a number with what it is a number of.
type quantity struct {
	n    *big.Rat
	unit string
}

var (
	integerForm = regexp.MustCompile(`^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$`)
	amountForm  = regexp.MustCompile(`^([0-9]{1,78}(?:\.[0-9]{1,77})?) +([^ ]+)$`)
	daysForm    = regexp.MustCompile(`^([0-9]{1,4})d$`)
)

// compare returns the order of two quantities, above zero if the second is the
// larger. It is false if they are of different things, or none.
func compare(before, after *yaml.Node) (order int, ok bool) {
	was, wasOK := quantityOf(before)
	is, isOK := quantityOf(after)
	if !wasOK || !isOK || was.unit != is.unit {
		return 0, false
	}
	return is.n.Cmp(was.n), true
}

// quantityOf reads a number, an amount, a span of time or a time.
func quantityOf(node *yaml.Node) (quantity, bool) {
	if node == nil || node.Kind != yaml.ScalarNode {
		return quantity{}, false
	}
	text := node.Value
	if integerForm.MatchString(text) {
		base := 10
		if digits, hexadecimal := strings.CutPrefix(text, "0x"); hexadecimal {
			text, base = digits, 16
		}
		n, ok := new(big.Int).SetString(text, base)
		if !ok {
			return quantity{}, false
		}
		return quantity{new(big.Rat).SetInt(n), ""}, true
	}
	if found := amountForm.FindStringSubmatch(text); found != nil {
		n, ok := new(big.Rat).SetString(found[1])
		if !ok {
			return quantity{}, false
		}
		return inWei(quantity{n, found[2]}), true
	}
	if found := daysForm.FindStringSubmatch(text); found != nil {
		days, err := strconv.ParseInt(found[1], 10, 64)
		return quantity{new(big.Rat).SetInt64(days * int64(24*time.Hour)), "span"}, err == nil
	}
	if span, err := time.ParseDuration(text); err == nil {
		return quantity{new(big.Rat).SetInt64(int64(span)), "span"}, true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return quantity{nanoseconds(at), "time"}, true
	}
	return quantity{}, false
}

// nanoseconds are those of a time since 1970, which years beyond 2262 have too many
// of for 64 bits.
func nanoseconds(at time.Time) *big.Rat {
	n := new(big.Int).Mul(big.NewInt(at.Unix()), big.NewInt(int64(time.Second)))
	return new(big.Rat).SetInt(n.Add(n, big.NewInt(int64(at.Nanosecond()))))
}

// inWei is an amount of ether in its smallest unit; another one as it is.
func inWei(q quantity) quantity {
	zeros, ok := map[string]int{"wei": 0, "gwei": 9, "ether": 18}[q.unit]
	if !ok {
		return q
	}
	scale, _ := new(big.Rat).SetString("1" + strings.Repeat("0", zeros))
	return quantity{q.n.Mul(q.n, scale), "wei"}
}
