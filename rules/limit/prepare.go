package limit

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata"
)

// prepared is what a limit needs for every request.
type prepared struct {
	prefix string           // of its counters
	per    map[Per]bool     // nil: one total
	method *calldata.Method // nil: not needed
	place  int              // of the argument

	collections map[place]bool // of Tokens: whether it is one
}

// place is where a token is.
type place struct {
	chain   uint64
	address common.Address
}

// Prepare checks that the limit can be measured, and parses its method. A limit
// that was not prepared is prepared for each request. It is not safe for
// concurrent use; everything else is.
func (l *Limit) Prepare() error {
	p, err := l.prepare()
	if err == nil {
		l.prepared = p
	}
	return err
}

func (l *Limit) prepare() (*prepared, error) {
	if !slices.Contains(measures(), l.Measure) {
		return nil, fmt.Errorf("the measure %q is not known", string(l.Measure))
	}
	p := &prepared{prefix: l.ID + "/" + string(l.Measure)}
	if l.Token == nil && len(l.Tokens) > 0 {
		p.collections = make(map[place]bool, len(l.Tokens))
		for _, t := range l.Tokens {
			p.collections[place{t.Chain, t.Address}] = t.Collection
		}
	}
	for _, per := range l.Per {
		switch {
		case !slices.Contains(order(), per):
			return nil, fmt.Errorf("a limit can't be kept per %q", string(per))
		case per == PerToken && l.Measure != Amount:
			return nil, fmt.Errorf("per token is for the measure amount, not for %s", l.Measure)
		case per == PerArgument && l.Measure == Argument:
			return nil, fmt.Errorf("per argument is for another measure than the argument itself")
		}
		if p.per == nil {
			p.per = make(map[Per]bool)
		}
		p.per[per] = true
	}
	if l.Measure != Argument && !p.per[PerArgument] {
		return p, nil
	}
	if err := p.parse(l); err != nil {
		return nil, err
	}
	return p, nil
}

// parse finds the argument.
func (p *prepared) parse(l *Limit) error {
	method, err := calldata.Parse(l.Method)
	if err != nil {
		return fmt.Errorf("reading the signature %q: %w", l.Method, err)
	}
	place, err := strconv.ParseUint(l.Argument, 10, 8)
	if err != nil || int(place) >= len(method.Inputs) {
		return fmt.Errorf("%q is no place of an argument of %s, which has %d, the first at 0", l.Argument, method.Sig, len(method.Inputs))
	}
	kind := method.Inputs[place].Type
	if l.Measure == Argument && !countable(&kind) {
		return fmt.Errorf("argument %d of %s is of type %s: only unsigned numbers and lists of them are counted", place, method.Sig, kind.String())
	}
	p.method, p.place = method, int(place)
	return nil
}

// countable tells whether a sum can be made of values of a type.
func countable(kind *abi.Type) bool {
	switch kind.T {
	case abi.UintTy:
		return true
	case abi.SliceTy, abi.ArrayTy:
		return countable(kind.Elem)
	default:
		return false
	}
}
