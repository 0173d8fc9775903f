package policy

import "github.com/kvclef/kvclef/rules/facts"

// everywhere reports whether a word is certainly true of a request, for each
// outermost action or each effect of those, and for at least one. A match of an
// allow rule that has a word which is not covers nothing.
func (s *subject) everywhere(p predicate, about level) bool {
	if about == aboutRequest {
		return p.test(s) == isTrue
	}
	defer s.reset()
	seen := false
	for i := 0; i < len(s.Actions); i = next(s.Actions, i) {
		s.at(&s.Actions[i])
		if about == aboutAction {
			seen = true
			if p.test(s) != isTrue {
				return false
			}
			continue
		}
		for j := range s.action.Effects {
			seen = true
			if s.effect = &s.action.Effects[j]; p.test(s) != isTrue {
				return false
			}
		}
	}
	return seen
}

// somewhere reports whether a word may be true of a request, for one action at
// any depth or one effect. A match of a deny rule or of a budget that has a word
// which is not does not hold.
func (s *subject) somewhere(p predicate, about level) bool {
	if about == aboutRequest {
		return p.test(s) != isFalse
	}
	defer s.reset()
	for i := range s.Actions {
		action := &s.Actions[i]
		if action.Opaque != "" || about == aboutEffect && action.Decoding == facts.Unknown {
			return true
		}
		s.at(action)
		if about == aboutAction {
			if p.test(s) != isFalse {
				return true
			}
			continue
		}
		for j := range action.Effects {
			if s.effect = &action.Effects[j]; p.test(s) != isFalse {
				return true
			}
		}
	}
	return false
}
