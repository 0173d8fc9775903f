package policysuggest

import (
	"maps"
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// sorted are the groups in the order of their rules.
func (c *collector) sorted() []*group {
	return slices.SortedFunc(maps.Values(c.groups), func(a, b *group) int { return a.shape.compare(&b.shape) })
}

// settle gives up groups of which it is known at the end that a rule would allow
// what was not seen, unless that is to be open.
func (c *collector) settle() {
	if c.options.Open {
		return
	}
	for _, g := range c.groups {
		switch {
		case g.why != "":
		case g.signIn != nil && g.signIn.vague():
			g.exclude(c, whySites)
		case g.shape.kind == facts.KindText && g.beginsSignIn():
			g.exclude(c, whyBeginning)
		}
	}
	var fewer []*group // found before any is given up
	documents := slices.DeleteFunc(c.sorted(), func(g *group) bool { return g.shape.kind != facts.KindTypedData || g.shape.outer.what != nothing })
	for _, g := range documents {
		if slices.ContainsFunc(documents, g.shape.allows) {
			fewer = append(fewer, g)
		}
	}
	for _, g := range fewer {
		g.exclude(c, whyFewer)
	}
}

// allows tells whether a rule for typed data of a shape allows that of another
// group, and says less of it: what names fewer addresses leaves the others open.
func (s *shape) allows(other *group) bool {
	a, b := *s, other.shape
	has := b.typed.list()
	if len(a.typed.list()) >= len(has) {
		return false
	}
	for _, path := range a.typed.list() {
		if !slices.Contains(has, path) {
			return false
		}
	}
	return a.principal == b.principal && a.listener == b.listener && a.account == b.account && (a.chain == 0 || a.chain == b.chain) &&
		a.typed.wider(&b.typed)
}

// wider tells whether a rule for a domain matches another one: what it does not
// name may be anything.
func (d *domain) wider(o *domain) bool {
	return d.primaryType == o.primaryType && (d.name == "" || d.name == o.name) && (d.version == "" || d.version == o.version) &&
		(!d.hasContract || d.contract == o.contract && o.hasContract) && (!d.hasSalt || d.salt == o.salt && o.hasSalt)
}
