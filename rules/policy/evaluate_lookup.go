package policy

import (
	"math/bits"

	"github.com/kvclef/kvclef/rules/facts"
)

// lookup is what an index knows of one request.
type lookup struct {
	x    *index
	only [dimensions]bitmap // those for the request's value; nil: none
	many [3][]bitmap        // to, token and recipient, of the actions where one is enough
	all  [dimensions]bool   // the value can't be known: any may match
}

// find looks a request up. The slices are room for what it finds.
func (x *index) find(f *facts.Facts, to, token, recipient []bitmap) lookup {
	l := lookup{x: x}
	l.all[byNothing] = true
	l.only[byAccount] = x.addresses[byAccount][f.Request.Account.Address]
	l.only[byPrincipal] = x.texts[f.Request.Principal]
	if chain := f.Request.ChainID; chain != nil && chain.IsUint64() {
		l.only[byChain] = x.numbers[chain.Uint64()]
	}
	if x.every {
		x.first(f, &l)
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
			to = appendSome(to, x.addresses[byTo][*action.To])
		}
		if action.Decoding == facts.Unknown {
			l.all[byToken], l.all[byRecipient] = true, true
		}
		for j := range action.Effects {
			token = appendSome(token, x.addresses[byToken][action.Effects[j].Token])
			recipient = appendSome(recipient, x.addresses[byRecipient][action.Effects[j].Recipient])
		}
	}
	l.many = [3][]bitmap{to, token, recipient}
	return l
}

// first looks up the first action: what covers all of them covers that one.
func (x *index) first(f *facts.Facts, l *lookup) {
	if len(f.Actions) == 0 {
		return
	}
	first := &f.Actions[0]
	if first.To != nil {
		l.only[byTo] = x.addresses[byTo][*first.To]
	}
	if len(first.Effects) > 0 {
		l.only[byToken] = x.addresses[byToken][first.Effects[0].Token]
		l.only[byRecipient] = x.addresses[byRecipient][first.Effects[0].Recipient]
	}
}

func appendSome(to []bitmap, b bitmap) []bitmap {
	if b == nil {
		return to
	}
	return append(to, b)
}

// word returns 64 bits of the matches that may hold.
func (l *lookup) word(at int) uint64 {
	word := ^uint64(0)
	for by := byAccount; by < dimensions; by++ {
		if l.all[by] {
			continue
		}
		may := l.x.rest[by][at]
		if l.only[by] != nil {
			may |= l.only[by][at]
		}
		if by >= byTo {
			for _, b := range l.many[by-byTo] {
				may |= b[at]
			}
		}
		word &= may
	}
	return word
}

// after returns the first match from a place on that may hold, or -1.
func (l *lookup) after(from int) int {
	for at := from / 64; at < l.x.size; at++ {
		word := l.word(at)
		if at == from/64 {
			word &= ^uint64(0) << (from % 64)
		}
		if i := at*64 + bits.TrailingZeros64(word); word != 0 && i < len(l.x.matches) {
			return i
		}
	}
	return -1
}
