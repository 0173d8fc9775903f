package policysuggest

import (
	"iter"
	"math"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
)

// node is what was seen of actions of one form, and of those within them.
type node struct {
	form form

	recipients addresses // who is paid, gets tokens or may take them
	owners     addresses // whose tokens, but for those of who acts
	own        bool      // some are of who acts

	value  peak // wei
	data   peak // bytes
	amount peak // of the token, where there is one
	ends   longest

	count     int
	places    []string              // of the addresses among the arguments of a call
	args      map[string]*addresses // by their places
	anonymous bool                  // the method has no name but that by which callers call it

	ids     map[uint256.Int]int // of tokens, with how often each was seen
	manyIDs bool                // more than are kept: there are none in ids

	why   string // it is opaque
	inner map[form]*node
}

// within returns the node of a form within this one, nil if there are too many.
func (n *node) within(of form, room *int) *node {
	if found := n.inner[of]; found != nil {
		return found
	}
	if *room == 0 {
		return nil
	}
	*room--
	if n.inner == nil {
		n.inner = make(map[form]*node)
	}
	made := &node{form: of}
	n.inner[of] = made
	return made
}

// formsOf checks that all that lies within the outermost actions has a form, and
// one with bounds unless what has none is open.
func formsOf(f *facts.Facts, open bool) (why string) {
	if f.Kind == facts.KindTypedData {
		return "" // nothing lies within
	}
	for i := range own(f.Actions) {
		of, why := formOf(f, &f.Actions[i])
		if why == "" && !open {
			why = of.boundless()
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// own are the places of the actions that rules are about: not of those that are
// only forwarded, with what lies within them.
func own(actions []facts.Action) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < len(actions); {
			if actions[i].Forwarded {
				depth := actions[i].Depth
				for i++; i < len(actions) && actions[i].Depth > depth; i++ {
				}
				continue
			}
			if !yield(i) {
				return
			}
			i++
		}
	}
}

// see adds an action and all that lies within it.
func (g *group) see(c *collector, n *node, f *facts.Facts, at int, entry uint64) {
	a := &f.Actions[at]
	n.value.add(&a.Value, entry)
	n.data.addUint64(uint64(len(a.Data)), entry)
	if n.why == "" {
		n.why = a.Opaque
	}
	if n.form.what == pays {
		c.note(g, &n.recipients, *a.To)
	}
	n.count++
	if n.form.what == calls {
		n.arguments(g, c, f, a)
		n.anonymous = n.anonymous || a.Decoding != facts.Known
	}
	self := actor(f)
	for i := range a.Effects {
		effect := &a.Effects[i]
		c.note(g, &n.recipients, effect.Recipient)
		if effect.Owner == self {
			n.own = true
		} else {
			c.note(g, &n.owners, effect.Owner)
		}
		if effect.ID != nil {
			c.noteID(g, n, effect.ID)
		}
		if amount, unlimited := f.Total(a, effect); !unlimited {
			n.amount.add(&amount, entry) // amount_max is about the sum
		}
		if span, ok := remaining(f, effect); ok {
			n.ends.add(span, entry)
		}
		c.token(tokenPlace{g.shape.chain, effect.Token}, a.Name, effect)
	}
	for i := at + 1; i < len(f.Actions) && f.Actions[i].Depth > a.Depth; i++ {
		if f.Actions[i].Depth != a.Depth+1 || f.Actions[i].Forwarded {
			continue
		}
		of, _ := formOf(f, &f.Actions[i]) // it has one, see formsOf
		inner := n.within(of, &g.room)
		if inner == nil {
			g.exclude(c, whyCalls)
			return
		}
		g.see(c, inner, f, i, entry)
	}
}

// arguments takes in the addresses among the arguments of a call.
func (n *node) arguments(g *group, c *collector, f *facts.Facts, a *facts.Action) {
	call := a.Call
	if call == nil && a.Depth == 0 {
		call = f.Request.Call // it is of this method, see methodOf
	}
	if call == nil || call.Method != n.form.method {
		return
	}
	if n.args == nil {
		places, ok := placesOf(n.form.method)
		if !ok && !c.options.Open {
			g.exclude(c, whyArguments)
			return
		}
		if ok {
			n.places = places
		}
		n.args = make(map[string]*addresses)
	}
	c.visit(g, n.args, call.Arguments, n.places)
}

// ofOthers tells whether tokens of others than who acts are moved, by an action or
// within it.
func (n *node) ofOthers() bool {
	for _, inner := range n.inner {
		if inner.ofOthers() {
			return true
		}
	}
	return n.form.owned != ownTokens
}

// maxRemaining is how far away a deadline may be by a policy.
const maxRemaining = 3660 * 24 * time.Hour

// remaining is how far away the deadline of an effect is, at least nothing; false
// if it never comes.
func remaining(f *facts.Facts, effect *facts.Effect) (time.Duration, bool) {
	if effect.Deadline == nil || !effect.Deadline.IsUint64() || effect.Deadline.Uint64() > math.MaxInt64/2 {
		return 0, false
	}
	span := int64(effect.Deadline.Uint64()) - f.Time.Unix()
	if span > int64(maxRemaining/time.Second) {
		return 0, false
	}
	return time.Duration(max(span, 0)) * time.Second, true
}

// saturated is a number that stops at 2²⁵⁶−1.
func saturated(value *uint256.Int, overflow bool) *uint256.Int {
	if overflow {
		return new(uint256.Int).SetAllOne()
	}
	return value
}
