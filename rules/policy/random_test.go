package policy

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// listed is a word that is true for a few values and is found by them.
type listed struct {
	name      string
	by        dimension
	addresses map[common.Address]bool
	texts     map[string]bool
	chains    map[uint64]bool
	plain     bool // not found by them
}

func (w *listed) key() string         { return w.name }
func (w *listed) want() string        { return "one of a few" }
func (w *listed) got(*subject) string { return "another" }

func (w *listed) test(s *subject) truth {
	is := false
	switch w.by {
	case byAccount:
		is = w.addresses[s.Request.Account.Address]
	case byChain:
		is = s.Request.ChainID != nil && w.chains[s.Request.ChainID.Uint64()]
	case byPrincipal:
		is = w.texts[s.Request.Principal]
	case byTo:
		is = s.action.To != nil && w.addresses[*s.action.To]
	case byRecipient:
		is = w.addresses[s.effect.Recipient]
	case byToken:
		is = w.addresses[s.effect.Token]
	}
	if is {
		return isTrue
	}
	return isFalse
}

// narrows returns the values in no order.
func (w *listed) narrows() keys {
	if w.plain {
		return keys{}
	}
	k := keys{by: w.by}
	for address := range w.addresses {
		k.addresses = append(k.addresses, address)
	}
	for chain := range w.chains {
		k.numbers = append(k.numbers, chain)
	}
	for text := range w.texts {
		k.texts = append(k.texts, text)
	}
	return k
}

// chance is a word that answers in its own way for each subject.
type chance struct {
	name string
	seed uint64
	odds [3]uint64 // of unknown, isFalse, isTrue, in 100
}

func (w *chance) key() string         { return w.name }
func (w *chance) want() string        { return "luck" }
func (w *chance) got(*subject) string { return "none" }

func (w *chance) test(s *subject) truth {
	h := w.seed ^ s.place()
	n := rand.New(rand.NewPCG(h, h)).Uint64N(100)
	for t, odds := range w.odds {
		if n < odds {
			return truth(t)
		}
		n -= odds
	}
	return isTrue
}

// measured is a word that bounds a number, which differs by the subject. Which
// subjects have one, and which may have another, does not depend on the bound.
type measured struct {
	name  string
	limit reach
}

func (w *measured) key() string         { return w.name }
func (w *measured) want() string        { return "a bound" }
func (w *measured) got(*subject) string { return "a number" }
func (w *measured) reaches() reach      { return w.limit }

func (w *measured) test(s *subject) truth {
	h := uint64(len(s.Actions)) + s.place()
	for _, letter := range w.name + w.limit.unit {
		h = h*31 + uint64(letter)
	}
	n := rand.New(rand.NewPCG(h, h))
	number, odds := n.Uint64N(12), n.Uint64N(10)
	switch {
	case odds == 0:
		return isFalse
	case odds == 1:
		return unknown
	case w.limit.upper == (w.limit.bound.CmpUint64(number) < 0) && !w.limit.bound.Eq(uint256.NewInt(number)):
		return isFalse
	case odds == 2:
		return unknown
	}
	return isTrue
}

// place is a number for the action and the effect of a subject.
func (s *subject) place() uint64 {
	h := uint64(0)
	for i := range s.Actions {
		if s.action == &s.Actions[i] {
			h ^= uint64(i+1) * 0x9e3779b97f4a7c15
			for j := range s.action.Effects {
				if s.effect == &s.action.Effects[j] {
					h ^= uint64(j+1) * 0xc2b2ae3d27d4eb4f
				}
			}
		}
	}
	return h
}

// world makes random policies and facts of the same few values.
type world struct {
	*rand.Rand
	made map[level][]predicate // words that matches may share
}

func newWorld(seed uint64) world {
	return world{rand.New(rand.NewPCG(seed, 7)), make(map[level][]predicate)}
}

func (w world) address() common.Address { return common.Address{19: byte(1 + w.IntN(4))} }
func (w world) once(in int) bool        { return w.IntN(in) == 0 }

// word returns a word: one of those that were made, or a new one.
func (w world) word(level level) predicate {
	if made := w.made[level]; len(made) > 0 && w.once(2) {
		return made[w.IntN(len(made))]
	}
	made := w.newWord(level)
	if w.once(4) {
		w.made[level] = append(w.made[level], made)
	}
	return made
}

func (w world) newWord(level level) predicate {
	if w.once(3) {
		return w.bound(level)
	}
	by := []dimension{byAccount, byChain, byPrincipal}[w.IntN(3)]
	switch level {
	case aboutAction:
		by = byTo
	case aboutEffect:
		by = []dimension{byToken, byRecipient}[w.IntN(2)]
	case aboutRequest:
	}
	if w.once(2) {
		odds := [3]uint64{10, 25, 65}
		name, seed := fmt.Sprintf("luck%d", level), w.Uint64()
		if level == aboutRequest && seed%4 == 0 {
			name = "kind" // what fails by it is about something else
		}
		return &chance{name: name, seed: seed, odds: odds}
	}
	word := &listed{
		name: fmt.Sprintf("among%d", by), by: by, plain: w.once(4),
		addresses: map[common.Address]bool{}, texts: map[string]bool{}, chains: map[uint64]bool{},
	}
	for range 1 + w.IntN(3) {
		switch by {
		case byChain:
			word.chains[uint64(w.IntN(3))] = true
		case byPrincipal:
			word.texts[fmt.Sprint(w.IntN(3))] = true
		default:
			word.addresses[w.address()] = true
		}
	}
	return word
}

// bound returns one of few bounds, so that there are equal ones.
func (w world) bound(level level) *measured {
	most := reach{bound: uint256.NewInt(uint64(w.IntN(12))), upper: !w.once(3), unit: []string{"", "a", "b"}[w.IntN(3)]}
	return &measured{name: fmt.Sprintf("most%d", level), limit: most}
}

// alike returns a match that differs from another one in a word at most.
func (w world) alike(m Match) Match {
	words, about := &m.Request, aboutRequest
	switch {
	case len(m.Effects) > 0 && w.once(2):
		words, about = &m.Effects, aboutEffect
	case len(m.Action) > 0 && w.once(2):
		words, about = &m.Action, aboutAction
	}
	*words = slices.Clone(*words)
	for i, word := range *words {
		if before, ok := word.(*measured); ok {
			after := w.bound(about)
			after.limit.unit, after.limit.upper = before.limit.unit, before.limit.upper
			(*words)[i] = after
			return m
		}
	}
	if len(*words) > 0 {
		(*words)[w.IntN(len(*words))] = w.word(about)
	}
	return m
}

func (w world) words(level level, most int) []predicate {
	var all []predicate
	for range w.IntN(most + 1) {
		all = append(all, w.word(level))
	}
	return all
}

func (w world) match(depth int) Match {
	m := Match{Action: w.words(aboutAction, 2), Effects: w.words(aboutEffect, 1), InnerAny: w.once(4)}
	if depth == 0 {
		m.Request = w.words(aboutRequest, 2)
	}
	for range w.IntN(3) {
		if depth < 3 {
			m.Inner = append(m.Inner, w.match(depth+1))
		}
	}
	return m
}

func (w world) policy(size int) *Policy {
	p := &Policy{}
	much := 1 + w.IntN(3) // how much alike rules are
	for i := range size {
		rule := Rule{ID: fmt.Sprintf("r%d", i), Line: i + 1, Shadow: w.once(5)}
		if i == 0 || w.once(much) {
			rule.Match = w.match(0)
		} else {
			rule.Match = w.alike(p.rules[w.IntN(i)].Match)
		}
		if !w.once(4) {
			rule.Effect = Allow
		}
		if rule.Effect == Allow && w.once(5) {
			rule.Approvals = &rules.Quorum{Group: "people"}
		}
		p.rules = append(p.rules, rule)
	}
	for i := range w.IntN(4) {
		budget := Budget{Match: w.match(0)}
		budget.Limit.ID, budget.Limit.Measure = fmt.Sprintf("b%d", i), limit.Signatures
		p.budget = append(p.budget, budget)
	}
	p.index = p.compile()
	return p
}

func (w world) facts() *facts.Facts {
	req := &rules.Request{Kind: rules.KindTransaction, Principal: fmt.Sprint(w.IntN(4))}
	req.Account.Address = w.address()
	if !w.once(5) {
		req.ChainID = big.NewInt(int64(w.IntN(4)))
	}
	f := &facts.Facts{Request: req, Kind: facts.KindTransaction}
	for range w.IntN(3) {
		f.Actions = w.action(f.Actions, 0)
	}
	return f
}

// action adds an action and what lies within it.
func (w world) action(to []facts.Action, depth int) []facts.Action {
	at := len(to)
	a := facts.Action{Depth: depth, Path: fmt.Sprintf("call[%d]", at), Decoding: facts.Decoding(w.IntN(4))}
	if !w.once(6) {
		address := w.address()
		a.To = &address
	}
	for range w.IntN(3) {
		a.Effects = append(a.Effects, facts.Effect{Token: w.address(), Recipient: w.address()})
	}
	if w.once(8) {
		a.Opaque = "hidden"
	}
	a.Forwarded = depth > 0 && w.once(6)
	if depth < 3 {
		a.Inner = max(0, w.IntN(4)-1)
	}
	to = append(to, a)
	for range a.Inner {
		to = w.action(to, depth+1)
	}
	if w.once(20) {
		to[at].Inner++ // one is missing
	}
	return to
}
