package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// implicit is a predicate that an allow rule has without a word for it: what it
// says nothing of would be wider than it reads.
type implicit struct{ atom }

// explicit are the predicates that words of the policy stand for.
func explicit(predicates []predicate) []predicate {
	return slices.DeleteFunc(slices.Clone(predicates), isImplicit)
}

func isImplicit(p predicate) bool {
	_, ok := p.(*implicit)
	return ok
}

// imply adds to a match of an allow rule what it does not say. The kinds are
// those of requests that it may hold for.
func (p *parser) imply(match *Match, within bool, kinds []string) {
	if (p.speaksOfCalls(match) || match.creates()) && p.sibling("value_max") == nil && p.sibling("value_min") == nil {
		match.Action = append(match.Action, p.implied(noValue))
	}
	if len(match.Effects) > 0 && p.sibling("to") == nil {
		match.Effects = append(match.Effects, p.implied(calledToken))
	}
	if !within && slices.Contains(kinds, facts.KindSafe) && !p.boundsRefund() {
		match.Request = append(match.Request, p.implied(noRefund))
	}
}

// calledToken holds if the contract that is called is the token itself. Any
// contract can have a method that names a token, and keep the ether that is sent
// along: who means another one says so by the word to.
func calledToken() predicate {
	return &implicit{atom{
		word: "called", wants: "a call of the token itself, or the word to, that says whom else",
		ask: func(s *subject) truth { return is(s.action.To != nil && *s.action.To == s.effect.Token) },
		shows: func(s *subject) string {
			if s.action.To == nil {
				return "a new contract"
			}
			return "a call of " + s.action.To.Hex() + ", which names the token " + s.effect.Token.Hex()
		},
	}}
}

// speaksOfCalls tells whether the match that is being read says which calls it is
// about: by their methods, or by what they do to tokens.
func (p *parser) speaksOfCalls(match *Match) bool {
	return len(match.Effects) > 0 || p.sibling("call") != nil || p.sibling("function") != nil || p.sibling("selector") != nil
}

// noValue holds if no ether is sent along. A rule that says which calls may be
// made means the calls: a contract that is called keeps what it is sent, and the code
// of a new one passes it on to whom it likes.
func noValue() predicate {
	return &implicit{atom{
		word: "value", wants: "no ether, or the word value_max, which bounds it",
		ask:   func(s *subject) truth { return is(s.action.Value.IsZero()) },
		shows: func(s *subject) string { return shownAmount(&s.action.Value, nil) },
	}}
}

// noRefund holds if a Safe pays nothing to who sends its transaction.
func noRefund() predicate {
	return &implicit{atom{
		word: "refund", wants: "no refund of gas, or safe: {refund_max: ..}, which bounds it",
		ask: func(s *subject) truth {
			return is(s.Typed == nil || s.Typed.Safe == nil || s.Typed.Safe.MaxRefund.IsZero())
		},
		shows: func(s *subject) string {
			if s.Typed == nil || s.Typed.Safe == nil {
				return "no Safe transaction"
			}
			return shownSafe(s)
		},
	}}
}

// boundsRefund tells whether the match that is being read bounds the refund.
func (p *parser) boundsRefund() bool {
	safe := p.sibling("safe")
	return safe != nil && p.standsIn(safe, "refund_max")
}
