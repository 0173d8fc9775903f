package policysuggest

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// group is all requests that one rule is drafted for.
type group struct {
	id    string // of its counters
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

	message map[string]*member // of typed data that hands nothing over, as far as is known
	hidden  string             // why more of it is not known

	lengths    peak // of texts, in bytes
	whole      texts
	start      string // what all texts begin with
	unreadable bool   // some have characters that are not printable
	signIn     *signIn

	limits  []limit.Limit
	failed  map[limit.Measure]bool // of what can't be measured for some requests
	ceiling map[string]*peak       // the highest total, by counter
	missed  map[uint64]bool        // entries of requests that no limit can count
	met     []common.Address       // tokens
	unsure  bool                   // what is moved of them can't be measured for all requests
}

// member is what was seen of an address in the message of typed data.
type member struct {
	count     int // of the requests that have it
	addresses addresses
}

// maxMembers bounds the members of a message that a rule is about.
const maxMembers = 8

func newGroup(s shape, id string) *group {
	g := &group{
		id: id, shape: s, room: maxCalls, limits: measured(s.kind, id),
		failed: make(map[limit.Measure]bool), ceiling: make(map[string]*peak),
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
		c.addresses -= g.count()
		g.outer, g.message, g.signIn, g.initCode = nil, nil, nil, nil
		g.delegates, g.receivers, g.whole = addresses{}, addresses{}, texts{}
	}
}

// count is how many addresses a group has.
func (g *group) count() int {
	total := len(g.delegates.seen) + len(g.receivers.seen) + len(g.initCode)
	for _, m := range g.message {
		total += len(m.addresses.seen)
	}
	if g.outer != nil {
		total += g.outer.total()
	}
	return total
}

func (n *node) total() int {
	total := len(n.recipients.seen) + len(n.owners.seen)
	for _, m := range n.args {
		total += len(m.addresses.seen)
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

// typed takes in the addresses of a message, at its top.
func (g *group) typed(c *collector, f *facts.Facts) {
	if len(f.Actions) > 0 {
		g.hidden = f.Actions[0].Opaque
	}
	for name, value := range f.Typed.Message {
		address, ok := value.(common.Address)
		if !ok || !memberForm(name) {
			continue
		}
		m := g.message[name]
		if m == nil {
			if g.times.count > 1 {
				continue // others don't have it
			}
			if g.message == nil {
				g.message = make(map[string]*member)
			}
			m = &member{}
			g.message[name] = m
		}
		m.count++
		c.note(g, &m.addresses, address)
	}
}

// memberForm tells whether the name of a member may be a path in a policy.
func memberForm(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$") == "" && name[0] > '9'
}
