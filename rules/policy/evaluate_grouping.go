package policy

import "slices"

// minGroup is how many matches are worth a group: fewer are asked one by one.
const minGroup = 8

// groupKey is what the words of a group have in common.
type groupKey struct {
	about level
	same  predicate // that all share; nil of bounds

	word  string // of bounds
	upper bool
	unit  string
}

// groupWord is one word of a match.
type groupWord struct {
	match, at int // in the index, and among the words of the match
	predicate predicate
	bound     reach
}

// group makes the groups of an index.
func (x *index) group() {
	x.groups = make([][][]*group, len(x.matches))
	found := make(map[groupKey][]groupWord)
	for i, match := range x.matches {
		at := 0
		for about, predicates := range [][]predicate{match.Request, match.Action, match.Effects} {
			for _, p := range predicates {
				for _, part := range append([]predicate{p}, partsIn(p)...) {
					key, of := x.keyOf(part, level(about))
					of.match, of.at = i, at
					found[key] = append(found[key], of)
				}
				at++
			}
		}
		x.groups[i] = make([][]*group, at)
	}
	for key, words := range found {
		if len(words) < minGroup {
			continue
		}
		g := x.groupOf(key.about, words)
		for _, of := range words {
			x.groups[of.match][of.at] = append(x.groups[of.match][of.at], g)
		}
	}
}

// keyOf tells to which group a word belongs.
func (x *index) keyOf(p predicate, about level) (groupKey, groupWord) {
	if bounded, ok := p.(interface{ reaches() reach }); ok && bounded.reaches().bound != nil {
		bound := bounded.reaches()
		return groupKey{about: about, word: p.key(), upper: bound.upper, unit: bound.unit}, groupWord{predicate: p, bound: bound}
	}
	return groupKey{about: about, same: p}, groupWord{predicate: p}
}

// groupOf makes the group of some words.
func (x *index) groupOf(about level, members []groupWord) *group {
	slices.SortStableFunc(members, func(a, b groupWord) int { return a.bound.compare(b.bound) })
	g := &group{about: about, marks: []bitmap{nil}}
	first := make(bitmap, x.size)
	for i, of := range members {
		if i == 0 || members[i-1].bound.compare(of.bound) != 0 {
			g.steps = append(g.steps, step{predicate: of.predicate})
		}
		g.steps[len(g.steps)-1].end = i + 1
		g.order = append(g.order, int32(of.match)) //nolint:gosec // an index of a policy's rules
		if first.set(of.match); len(g.order)%64 == 0 {
			g.marks = append(g.marks, slices.Clone(first))
		}
	}
	return g
}

// compare orders bounds of the same number, the narrowest first. Without a bound
// there is no order.
func (e reach) compare(other reach) int {
	switch {
	case e.bound == nil || other.bound == nil:
		return 0
	case e.upper:
		return e.bound.Cmp(other.bound)
	default:
		return other.bound.Cmp(e.bound)
	}
}
