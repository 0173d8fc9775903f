package policysuggest

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// group is all requests that one rule is drafted for.
type group struct {
	id    string // of its counters
	rule  string // the id of its rule in the last draft
	shape shape
	times times
	room  int    // for further nodes
	why   string // no rule is drafted; "" if one is

	outer *node // of the outermost actions; nil: there are none

	types     [types.SetCodeTxType + 1]bool
	gas       peak
	feeCap    peak // wei
	tipCap    peak
	blobFee   peak
	blobs     peak
	initCode  map[common.Hash]int
	delegates addresses

	refund    peak      // of a Safe, in its unit
	receivers addresses // of refunds

	message map[string]*addresses // of typed data that hands nothing over, by their paths
	hidden  string                // why more of it is not known

	lengths peak // of texts, in bytes
	whole   texts
	start   string // what all texts begin with
	signIn  *signIn

	limits  []limit.Limit
	ceiling map[string]*peak // the highest total, by counter
	missed  map[uint64]bool  // entries of requests that no limit can count
	met     []common.Address // tokens
}

func newGroup(s shape, id string) *group {
	g := &group{
		id: id, shape: s, room: maxCalls, ceiling: make(map[string]*peak),
		limits: slices.DeleteFunc(measured(s.kind, id), func(l limit.Limit) bool { return s.lacks(l.Measure) }),
	}
	if s.outer.what != nothing {
		g.outer = &node{form: s.outer}
	}
	return g
}

// exclude gives up a group, and what it has taken up.
func (g *group) exclude(c *collector, why string) {
	if g.why == "" {
		g.why = why
		c.take(g, -g.count())
		g.outer, g.message, g.signIn, g.initCode = nil, nil, nil, nil
		g.delegates, g.receivers, g.whole = addresses{}, addresses{}, texts{}
	}
}

// count is how many addresses a group has.
func (g *group) count() int {
	total := len(g.delegates.seen) + len(g.receivers.seen) + len(g.initCode)
	for _, set := range g.message {
		total += len(set.seen)
	}
	if g.outer != nil {
		total += g.outer.total()
	}
	return total
}

func (n *node) total() int {
	total := len(n.recipients.seen) + len(n.owners.seen) + len(n.ids)
	for _, set := range n.args {
		total += len(set.seen)
	}
	for _, inner := range n.inner {
		total += inner.total()
	}
	return total
}

// maxMissed bounds the requests of a group that are left out one by one.
const maxMissed = 10_000

// miss leaves out a request that a ledger can't count.
func (g *group) miss(c *collector, why string, entry uint64) {
	if len(g.missed) == maxMissed {
		g.exclude(c, why)
		g.missed = nil
	}
	if g.missed == nil {
		g.missed = make(map[uint64]bool)
	}
	g.missed[entry] = true
	add(c.others, why, 1, entry)
}

// add takes in a request of the group's shape.
func (g *group) add(c *collector, f *facts.Facts, one *Observed) {
	switch f.Kind {
	case facts.KindTransaction:
		g.transaction(c, f, one.Seq)
	case facts.KindSafe:
		g.refund.add(&f.Typed.Safe.MaxRefund, one.Seq)
		if g.shape.safe.paid {
			if place := (tokenPlace{g.shape.chain, g.shape.safe.token}); place.address != (common.Address{}) {
				if t := c.declared(place); t != nil {
					t.amounts = true
				}
			}
			c.note(g, &g.receivers, f.Typed.Safe.RefundReceiver)
		}
	case facts.KindTypedData:
		if g.shape.outer.what == nothing {
			g.typed(c, f)
		}
	case facts.KindText:
		g.text(f, one)
	}
	for i := range f.Actions {
		if g.outer != nil && f.Actions[i].Depth == 0 {
			g.see(c, g.outer, f, i, one.Seq)
		}
	}
}

func (g *group) transaction(c *collector, f *facts.Facts, entry uint64) {
	tx := f.Tx
	if int(tx.Type()) < len(g.types) {
		g.types[tx.Type()] = true
	}
	g.gas.addUint64(tx.Gas(), entry)
	g.feeCap.add(saturated(uint256.FromBig(tx.GasFeeCap())), entry)
	g.tipCap.add(saturated(uint256.FromBig(tx.GasTipCap())), entry)
	if tx.Type() == types.BlobTxType {
		g.blobFee.add(saturated(uint256.FromBig(tx.BlobGasFeeCap())), entry)
		g.blobs.addUint64(uint64(len(tx.BlobHashes())), entry)
	}
	if tx.Create {
		c.noteCode(g, tx.InitCodeHash)
	}
	for _, d := range tx.Delegates {
		c.note(g, &g.delegates, d.Contract)
	}
}

// typed takes in the addresses of a message.
func (g *group) typed(c *collector, f *facts.Facts) {
	if len(f.Actions) > 0 {
		g.hidden = f.Actions[0].Opaque
	}
	if g.message == nil {
		g.message = make(map[string]*addresses)
	}
	c.visit(g, g.message, f.Typed.Message, g.shape.typed.list())
}
