package policysuggest

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// collector takes in requests one by one. What it keeps is bounded, but for the
// totals of the last day.
type collector struct {
	options *Options
	probes  map[string][]limit.Limit // of what may be measured, by kind
	groups  map[shape]*group
	tokens  map[tokenPlace]*token
	keys    map[common.Address]string // names of the accounts' keys

	others    map[string]*Missing
	left      map[string]*Missing
	from      times
	to        uint64         // the last entry
	addresses map[caller]int // and ids, of all groups of a caller
	rules     map[caller]int

	clock  time.Time
	ledger *memory.Ledger
	open   []uint64 // entries whose outcome may come while the log is read again
}

// maxOpen is more requests than a signer has under way.
const maxOpen = 1 << 16

// tokenPlace is where a token is.
type tokenPlace struct {
	chain   uint64
	address common.Address
}

// token is what calls tell of a token.
type token struct {
	amounts    bool // calls without ids, whose numbers are amounts if it is no collection
	collection bool // calls with ids
	many       bool // of which there are several of each (ERC-1155)
	name       string
}

// kind is what a policy says that a token is. Whatever some calls tell, amounts that
// others may be of keep their bounds: callers choose what they call.
func (t *token) kind() string {
	switch {
	case t.amounts:
		return "decimals: 0"
	case t.many:
		return "standard: erc1155"
	case t.collection:
		return "standard: erc721"
	default:
		return "decimals: 0"
	}
}

func newCollector(options *Options) *collector {
	c := &collector{
		options: options, probes: make(map[string][]limit.Limit), groups: make(map[shape]*group), tokens: make(map[tokenPlace]*token), keys: make(map[common.Address]string),
		others: make(map[string]*Missing), left: make(map[string]*Missing), addresses: make(map[caller]int), rules: make(map[caller]int),
	}
	c.ledger = memory.NewLedger(func() time.Time { return c.clock })
	return c
}

// add takes in a request.
func (c *collector) add(ctx context.Context, one *Observed) error {
	c.from.add(one)
	c.to = one.Seq
	if why := leftOut(one); why != "" {
		add(c.left, why, 1, one.Seq)
		if one.Verdict == rules.Approve && one.Outcome == rules.Unknown {
			c.open = append(c.open[max(0, len(c.open)-maxOpen):], one.Seq)
		}
		return nil
	}
	f := facts.Of(one.Request, one.Time)
	s, why := c.shapeOf(f)
	g := c.groups[s]
	if why == "" && g == nil && (len(c.groups) == maxRules || c.rules[s.caller()] == maxRulesOfOne) {
		why = whyRules
	}
	if why != "" {
		add(c.others, why, 1, one.Seq)
		return nil
	}
	if g == nil {
		g = newGroup(s, fmt.Sprintf("g%d", len(c.groups)))
		c.groups[s] = g
		c.rules[s.caller()]++
	}
	if g.why != "" {
		g.times.add(one)
		return nil
	}
	c.clock = one.Time
	switch why, err := g.hold(ctx, c.ledger, f, one); {
	case err != nil:
		return err
	case why != "":
		g.miss(c, why, one.Seq)
		return nil
	}
	g.times.add(one)
	g.add(c, f, one)
	if key := one.Request.Account.Key; key != "" && one.Request.Kind.Signs() && g.why == "" {
		c.keys[one.Request.Account.Address] = key
	}
	return nil
}

// leftOut says why a request is not to be covered.
func leftOut(one *Observed) string {
	switch {
	case one.Request == nil:
		return "not told"
	case one.Verdict == rules.Reject:
		return "rejected"
	case one.Verdict == rules.Refer:
		return "referred to people"
	case one.Verdict != rules.Approve:
		return "not decided"
	case one.Request.Kind == rules.KindList:
		return "" // there is nothing to sign
	case one.Outcome == rules.NotSigned:
		return "approved and not signed"
	case one.Outcome != rules.Signed:
		return "approved, with an outcome that is not known"
	default:
		return ""
	}
}

// caller is who asks, and by which listener. None may take up all that a draft has
// room for.
type caller struct{ principal, listener string }

func (s *shape) caller() caller { return caller{s.principal, s.listener} }

// room tells whether a group may have a further address.
func (c *collector) room(g *group) bool {
	total := 0
	for _, n := range c.addresses {
		total += n
	}
	return total < maxAddresses && c.addresses[g.shape.caller()] < maxAddressesOfOne
}

// take notes that a group has more or fewer addresses.
func (c *collector) take(g *group, n int) { c.addresses[g.shape.caller()] += n }

// note adds an address to a set. A group that has too many is given up, unless
// they are to be left open.
func (c *collector) note(g *group, set *addresses, address common.Address) {
	if set.many || g.why != "" {
		return
	}
	_, known := set.seen[address]
	switch {
	case known:
		set.seen[address]++
	case len(set.seen) < c.options.Recipients && c.room(g):
		if set.seen == nil {
			set.seen = make(map[common.Address]int)
		}
		set.seen[address] = 1
		c.take(g, 1)
	case c.options.Open:
		c.take(g, -len(set.seen))
		set.seen, set.many = nil, true
	case c.room(g):
		g.exclude(c, whyMany)
	default:
		g.exclude(c, whyAddresses)
	}
}

// noteCode adds the code of a new contract. There is no leaving that open.
func (c *collector) noteCode(g *group, code common.Hash) {
	if _, known := g.initCode[code]; !known {
		if len(g.initCode) >= c.options.Recipients || !c.room(g) {
			g.exclude(c, whyMany)
			return
		}
		c.take(g, 1)
	}
	if g.initCode == nil {
		g.initCode = make(map[common.Hash]int)
	}
	g.initCode[code]++
}

// noteID adds the id of a token.
func (c *collector) noteID(g *group, n *node, id *uint256.Int) {
	if n.manyIDs || g.why != "" {
		return
	}
	_, known := n.ids[*id]
	switch {
	case known:
	case len(n.ids) < c.options.Recipients && c.room(g):
		if n.ids == nil {
			n.ids = make(map[uint256.Int]int)
		}
		c.take(g, 1)
	case c.options.Open:
		c.take(g, -len(n.ids))
		n.ids, n.manyIDs = nil, true
		return
	default:
		g.exclude(c, whyManyIDs)
		return
	}
	n.ids[*id]++
}

// token notes what a call tells of a token.
func (c *collector) token(place tokenPlace, method string, effect *facts.Effect) {
	t := c.declared(place)
	switch {
	case t == nil:
	case effect.ID != nil:
		t.collection = true
		t.many = t.many || !effect.Single
	case effect.Kind == facts.ApproveAll:
		t.collection = t.collection || method == "setApprovalForAll"
	default:
		t.amounts = true
	}
}

// declared is a token that a policy can declare, nil if it can't.
func (c *collector) declared(place tokenPlace) *token {
	if place.chain == 0 {
		return nil
	}
	if c.tokens[place] == nil {
		c.tokens[place] = &token{}
	}
	return c.tokens[place]
}

func add(to map[string]*Missing, why string, count int, entry uint64) {
	m := to[why]
	if m == nil {
		m = &Missing{Why: why, First: entry}
		to[why] = m
	}
	m.Count += count
	m.First = min(m.First, entry)
}
