package policy

import (
	"math/bits"

	"github.com/kvclef/kvclef/rules/facts"
)

// lookup goes through the matches of an index that may hold for one request, in
// the order of the index.
type lookup struct {
	x    *index
	only [dimensions]bitmap   // those for the request's value; nil: none
	more [dimensions][]bitmap // for its other values, where one is enough
	all  [dimensions]bool     // the value can't be known: any may match

	members []found // by members of calls and messages

	wanted bitmap // that are asked for; nil: all
	left   bitmap // that no other one has ruled out; nil: all

	at   int    // the word of a bitmap that is being gone through
	word uint64 // what is left of it
}

// find looks a request up, by what matches are found by alone: each table takes a
// little time.
func (x *index) find(s *subject) lookup {
	l := lookup{x: x, at: -1}
	if x.size == 0 {
		return l
	}
	if x.uses[byAccount] {
		l.only[byAccount] = x.addresses[byAccount][s.Request.Account.Address]
	}
	if x.uses[byPrincipal] {
		l.only[byPrincipal] = x.texts[s.Request.Principal]
	}
	if chain := s.Request.ChainID; x.uses[byChain] && chain != nil && chain.IsUint64() {
		l.only[byChain] = x.numbers[byChain][chain.Uint64()]
	}
	if x.every {
		if len(s.Actions) > 0 { // what covers all of them covers the first
			l.call(&s.Actions[0])
			l.effects(s.Actions[0].Effects[:min(1, len(s.Actions[0].Effects))])
		}
		for _, m := range x.members {
			only, all := m.may(s)
			l.members = append(l.members, found{m.rest, only, all})
		}
		return l
	}
	l.all[byChain] = s.Request.ChainID == nil && s.Typed != nil
	for i := range s.Actions {
		action := &s.Actions[i]
		if action.Opaque != "" {
			l.all[byTo], l.all[byToken], l.all[byRecipient], l.all[bySelector] = true, true, true, true
			break
		}
		l.call(action)
		if action.Decoding == facts.Unknown {
			l.all[byToken], l.all[byRecipient] = true, true
		}
		l.effects(action.Effects)
	}
	return l
}

// call looks up what an action calls.
func (l *lookup) call(action *facts.Action) {
	if action.To == nil {
		return
	}
	if l.x.uses[byTo] {
		l.add(byTo, l.x.addresses[byTo][*action.To])
	}
	switch n := len(action.Data); {
	case n == 0 || !l.x.uses[bySelector]:
	case n < 4:
		l.all[bySelector] = true
	default:
		l.add(bySelector, l.x.numbers[bySelector][numberOf([4]byte(action.Data))])
	}
}

// effects looks up effects on tokens.
func (l *lookup) effects(effects []facts.Effect) {
	for i := range effects {
		if l.x.uses[byToken] {
			l.add(byToken, l.x.addresses[byToken][effects[i].Token])
		}
		if l.x.uses[byRecipient] {
			l.add(byRecipient, l.x.addresses[byRecipient][effects[i].Recipient])
		}
	}
}

// add adds the matches for one of several values.
func (l *lookup) add(by dimension, some bitmap) {
	switch {
	case some == nil:
	case l.only[by] == nil:
		l.only[by] = some
	default:
		l.more[by] = append(l.more[by], some)
	}
}

// may returns 64 bits of the matches that may hold.
func (l *lookup) may(at int) uint64 {
	word := ^uint64(0)
	for by, is := range &l.x.uses {
		if !is || l.all[by] {
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
	for i := range l.members {
		word &= l.members[i].may(at)
	}
	if l.wanted != nil {
		word &= l.wanted[at]
	}
	if l.left != nil {
		word &= l.left[at]
	}
	return word
}

// found are the matches that a member of a call or a message leaves.
type found struct {
	rest, only bitmap
	all        bool
}

func (f *found) may(at int) uint64 {
	switch {
	case f.all:
		return ^uint64(0)
	case f.only == nil:
		return f.rest[at]
	default:
		return f.rest[at] | f.only[at]
	}
}

// widen lets in what differs in anything but the account.
func (l *lookup) widen() {
	for by := range l.all {
		l.all[by] = dimension(by) != byAccount
	}
	l.members = nil
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
		words := l.x.groups[i]
		if at := s.failed; at >= 0 && at < len(words) {
			for _, g := range words[at] {
				l.exclude(g, s)
			}
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
