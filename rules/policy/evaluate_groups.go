package policy

import "sort"

// group are the matches of an index that have one word in common: with the same
// value, or with bounds of the same number. A request that fails a bound fails
// all narrower ones, so that few of them tell which matches fail.
type group struct {
	about level
	steps []step  // the narrowest bound first; one alone where the value is the same
	order []int32 // the matches, by their steps
	marks []bitmap
}

// step is one value of the word of a group.
type step struct {
	predicate predicate
	end       int // of the matches in the order that have it
}

// failing returns how many matches of the order a request fails.
func (g *group) failing(s *subject, every bool) int {
	passed := sort.Search(len(g.steps), func(i int) bool {
		if every {
			return s.everywhere(g.steps[i].predicate, g.about)
		}
		return s.somewhere(g.steps[i].predicate, g.about)
	})
	if passed == 0 {
		return 0
	}
	return g.steps[passed-1].end
}

// removed tells which of 64 matches are among the first n of the order.
func (g *group) remove(n int, from bitmap) {
	for at, first := range g.marks[n/64] {
		from[at] &^= first
	}
	for _, i := range g.order[n/64*64 : n] {
		from.clear(int(i))
	}
}
