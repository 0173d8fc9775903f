package policy

import (
	"math/bits"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
)

// lookup goes through the matches of an index that may hold for one request, in
// the order of the index.
type lookup struct {
	x    *index
	only [dimensions]bitmap   // those for the request's value; nil: none
	more [dimensions][]bitmap // for its other values, where one is enough
	all  [dimensions]bool     // the value can't be known: any may match

	wanted bitmap // that are asked for; nil: all
	left   bitmap // that no other one has ruled out; nil: all

	at   int    // the word of a bitmap that is being gone through
	word uint64 // what is left of it
}

// find looks a request up.
func (x *index) find(f *facts.Facts) lookup {
	l := lookup{x: x, at: -1}
	if x.size == 0 {
		return l
	}
	l.all[byNothing] = true
	l.only[byAccount] = x.addresses[byAccount][f.Request.Account.Address]
	l.only[byPrincipal] = x.texts[f.Request.Principal]
	if chain := f.Request.ChainID; chain != nil && chain.IsUint64() {
		l.only[byChain] = x.numbers[chain.Uint64()]
	}
	if x.every {
		if len(f.Actions) > 0 {
			l.first(&f.Actions[0])
		}
		return l
	}
	l.all[byChain] = f.Request.ChainID == nil && f.Typed != nil
	for i := range f.Actions {
		action := &f.Actions[i]
		if action.Opaque != "" {
			l.all[byTo], l.all[byToken], l.all[byRecipient] = true, true, true
			break
		}
		if action.To != nil {
			l.add(byTo, *action.To)
		}
		if action.Decoding == facts.Unknown {
			l.all[byToken], l.all[byRecipient] = true, true
		}
		for j := range action.Effects {
			l.add(byToken, action.Effects[j].Token)
			l.add(byRecipient, action.Effects[j].Recipient)
		}
	}
	return l
}

// first looks up the first action: what covers all of them covers that one.
func (l *lookup) first(action *facts.Action) {
	if action.To != nil {
		l.add(byTo, *action.To)
	}
	if len(action.Effects) > 0 {
		l.add(byToken, action.Effects[0].Token)
		l.add(byRecipient, action.Effects[0].Recipient)
	}
}

// add adds the matches for one of several values.
func (l *lookup) add(by dimension, address common.Address) {
	found := l.x.addresses[by][address]
	switch {
	case found == nil:
	case l.only[by] == nil:
		l.only[by] = found
	default:
		l.more[by] = append(l.more[by], found)
	}
}

// may returns 64 bits of the matches that may hold.
func (l *lookup) may(at int) uint64 {
	word := ^uint64(0)
	for by := byAccount; by < dimensions; by++ {
		if l.all[by] {
			continue
		}
		may := l.x.rest[by][at]
		if l.only[by] != nil {
			may |= l.only[by][at]
		}
		for _, b := range l.more[by] {
			may |= b[at]
		}
		word &= may
	}
	if l.wanted != nil {
		word &= l.wanted[at]
	}
	if l.left != nil {
		word &= l.left[at]
	}
	return word
}

// candidate returns the next match that may hold, or -1.
func (l *lookup) candidate() int {
	for l.word == 0 {
		if l.at++; l.at >= l.x.size {
			return -1
		}
		l.word = l.may(l.at)
	}
	i := l.at*64 + bits.TrailingZeros64(l.word)
	l.word &= l.word - 1
	if i >= len(l.x.matches) {
		return -1
	}
	return i
}

// next returns the next match that holds, or -1. Those that fail for the same
// reason as one that was asked are not asked.
func (l *lookup) next(s *subject) int {
	for i := l.candidate(); i >= 0; i = l.candidate() {
		if l.x.holds(i, s) {
			return i
		}
		groups := l.x.groups[i]
		if at := s.failed; at >= 0 && at < len(groups) && groups[at] != nil {
			l.exclude(groups[at], s)
		}
	}
	return -1
}

// holds asks a match.
func (x *index) holds(i int, s *subject) bool {
	if x.every {
		return x.matches[i].covers(s)
	}
	return x.matches[i].holds(s)
}

// exclude rules out the matches of a group that the request fails.
func (l *lookup) exclude(g *group, s *subject) {
	n := g.failing(s, l.x.every)
	if n == 0 {
		return
	}
	if l.left == nil {
		l.left = make(bitmap, l.x.size)
		for at := range l.left {
			l.left[at] = ^uint64(0)
		}
	}
	g.remove(n, l.left)
	l.word &= l.left[l.at]
}

// want leaves only those of a bitmap; nil is none.
func (l *lookup) want(some bitmap) {
	if some == nil {
		l.at, l.word = l.x.size, 0
		return
	}
	l.wanted = some
	l.word &= some[l.at]
}
