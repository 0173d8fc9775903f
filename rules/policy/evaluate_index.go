package policy

import (
	"github.com/ethereum/go-ethereum/common"
)

// maxKeys is how many values a predicate may have and still be in an index: a
// long list in many rules would cost much memory and find little.
const maxKeys = 64

// bitmap has a bit for each match of an index.
type bitmap []uint64

func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bitmap) clear(i int)    { b[i/64] &^= 1 << (i % 64) }

// index finds the matches that may hold for a request, without asking each of
// them. It is immutable.
type index struct {
	matches []*Match
	every   bool // an allow rule, whose words hold for every action; else for one
	size    int  // words of a bitmap

	rest      [dimensions]bitmap // those that any value may match
	addresses [dimensions]map[common.Address]bitmap
	numbers   [dimensions]map[uint64]bitmap
	texts     map[string]bitmap
	members   []*memberIndex   // at most maxLocated
	uses      [dimensions]bool // whether a match is found by it

	groups [][][]*group // of each match, by the places of its words
}

// newIndex makes the index of the matches of allow rules, or of others.
func newIndex(matches []*Match, every bool) *index {
	x := &index{
		matches: matches, every: every, size: (len(matches) + 63) / 64,
		texts: make(map[string]bitmap),
	}
	rest := make(bitmap, x.size*int(dimensions)) // as one, near each other in memory
	for by := range x.rest {
		x.rest[by] = rest[by*x.size : (by+1)*x.size]
		x.addresses[by] = make(map[common.Address]bitmap)
		x.numbers[by] = make(map[uint64]bitmap)
	}
	for i, match := range matches {
		found := [dimensions]bool{}
		for about, predicates := range [][]predicate{match.Request, match.Action, match.Effects} {
			for _, p := range predicates {
				x.add(i, p, &found)
				for _, part := range partsIn(p) {
					x.addMember(i, part, level(about))
				}
			}
		}
		for by, is := range found {
			if x.uses[by] = x.uses[by] || is; !is {
				x.rest[by].set(i)
			}
		}
	}
	x.group()
	return x
}

// partsIn are the parts of a predicate that has some.
func partsIn(p predicate) []predicate {
	if of, ok := p.(interface{ consists() []predicate }); ok {
		return of.consists()
	}
	return nil
}

// add notes for which values a match may hold, as one of its predicates says.
func (x *index) add(i int, p predicate, found *[dimensions]bool) {
	narrow, ok := p.(narrowing)
	if !ok {
		return
	}
	k := narrow.narrows()
	if k.by == byNothing || k.by >= dimensions || found[k.by] || len(k.addresses)+len(k.numbers)+len(k.texts) > maxKeys {
		return
	}
	found[k.by] = true
	for _, key := range k.addresses {
		setIn(x.addresses[k.by], key, i, x.size)
	}
	for _, key := range k.numbers {
		setIn(x.numbers[k.by], key, i, x.size)
	}
	for _, key := range k.texts {
		setIn(x.texts, key, i, x.size)
	}
}

func setIn[K comparable](in map[K]bitmap, key K, i, size int) {
	if in[key] == nil {
		in[key] = make(bitmap, size)
	}
	in[key].set(i)
}
