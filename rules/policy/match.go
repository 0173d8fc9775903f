package policy

import "github.com/kvclef/kvclef/rules/facts"

// holds reports whether a match of a deny rule or of a budget holds: unless it is
// certainly false for every action. What is unknown, or hidden, holds.
func (m *Match) holds(s *subject) bool {
	s.failed = -1
	for at, p := range m.Request {
		if p.test(s) == isFalse {
			s.failed = at
			return false
		}
	}
	if !m.asksActions() {
		return true
	}
	defer s.reset()
	for i := range s.Actions {
		action := &s.Actions[i]
		if action.Opaque != "" {
			return true // what can't be seen may be what is denied
		}
		if s.at(action); m.holdsFor(s) {
			return true
		}
	}
	return false
}

// holdsFor is holds for the action of a subject and one of its effects.
func (m *Match) holdsFor(s *subject) bool {
	for at, p := range m.Action {
		if p.test(s) == isFalse {
			s.failed = len(m.Request) + at
			return false
		}
	}
	if len(m.Effects) == 0 || s.action.Decoding == facts.Unknown {
		return true
	}
effects:
	for i := range s.action.Effects {
		s.effect = &s.action.Effects[i]
		for at, p := range m.Effects {
			if p.test(s) == isFalse {
				s.failed = len(m.Request) + len(m.Action) + at
				continue effects
			}
		}
		return true
	}
	return false
}

// covers reports whether a match of an allow rule covers the request: all that
// it does is certainly what the match describes.
func (m *Match) covers(s *subject) bool {
	s.failed = -1
	for at, p := range m.Request {
		if p.test(s) != isTrue {
			s.failed = at
			return false
		}
	}
	if len(s.Actions) == 0 {
		return !m.asksActions()
	}
	defer s.reset()
	for i := 0; i < len(s.Actions); i = next(s.Actions, i) {
		if !m.coversAction(s, i) {
			return false
		}
	}
	return true
}

// coversAction is covers for an action, all its effects, and what lies within.
func (m *Match) coversAction(s *subject, at int) bool {
	action := &s.Actions[at]
	s.at(action)
	for at, p := range m.Action {
		if p.test(s) != isTrue {
			s.failed = len(m.Request) + at
			return false
		}
	}
	if len(m.Effects) > 0 && (len(action.Effects) == 0 || action.Decoding == facts.Unknown) {
		return false
	}
	for i := range action.Effects {
		s.effect = &action.Effects[i]
		for at, p := range m.Effects {
			if p.test(s) != isTrue {
				s.failed = len(m.Request) + len(m.Action) + at
				return false
			}
		}
	}
	return m.InnerAny || m.coversInner(s, at)
}

// coversInner reports whether each action that lies directly within one is
// covered by one of the inner matches, with all that lies within it in turn. What
// is only passed on need not be: it is not done with the powers of who signs here,
// and takes no ether along.
func (m *Match) coversInner(s *subject, at int) bool {
	if s.Actions[at].Opaque != "" {
		return false
	}
	end := next(s.Actions, at)
	seen := 0
children:
	for i := at + 1; i < end; i = next(s.Actions, i) {
		seen++
		if s.Actions[i].Forwarded {
			continue // the affair of who signed it
		}
		for j := range m.Inner {
			if m.Inner[j].coversAction(s, i) {
				continue children
			}
		}
		s.failed = -1 // what failed is a word of an inner match
		return false
	}
	return seen == s.Actions[at].Inner
}

// asksActions reports whether the match has words about actions or effects:
// what does nothing of the kind does not match then.
func (m *Match) asksActions() bool { return len(m.Action) > 0 || len(m.Effects) > 0 }

// next is the place of the action that follows one and all that lies within it.
func next(actions []facts.Action, at int) int {
	i := at + 1
	for i < len(actions) && actions[i].Depth > actions[at].Depth {
		i++
	}
	return i
}

// at turns a subject to an action.
func (s *subject) at(action *facts.Action) { s.action, s.effect = action, nil }

// reset turns a subject to the request as a whole.
func (s *subject) reset() { s.at(nil) }
