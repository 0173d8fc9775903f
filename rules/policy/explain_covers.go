package policy

import (
	"fmt"

	"github.com/kvclef/kvclef/rules/facts"
)

// covers examines a match of an allow rule.
func (x *examination) covers(m *Match) bool {
	defer x.reset()
	depth := 0
	for _, p := range m.Request {
		if answer := p.test(&x.subject); answer != isTrue {
			x.note(x.finds(m, p, "", answer), depth)
			return false
		}
		depth++
	}
	if len(x.Actions) == 0 {
		if m.asksActions() {
			x.note(x.nothing(m, ""), depth)
			return false
		}
		return true
	}
	for i := 0; i < len(x.Actions); i = next(x.Actions, i) {
		if !x.coversAction(m, i, "", depth) {
			return false
		}
	}
	x.finding = nil
	return true
}

// coversAction examines a match for an action and what lies within it.
func (x *examination) coversAction(m *Match, at int, path string, depth int) bool {
	action := &x.Actions[at]
	x.at(action)
	for _, p := range m.Action {
		if answer := p.test(&x.subject); answer != isTrue {
			x.note(x.finds(m, p, path, answer), depth)
			return false
		}
		depth++
	}
	if len(m.Effects) > 0 && (len(action.Effects) == 0 || action.Decoding == facts.Unknown) {
		x.note(x.noEffect(m, path), depth)
		return false
	}
	for i := range action.Effects {
		x.effect = &action.Effects[i]
		for j, p := range m.Effects {
			if answer := p.test(&x.subject); answer != isTrue {
				x.note(x.finds(m, p, path, answer), depth+j)
				return false
			}
		}
	}
	return m.InnerAny || x.coversInner(m, at, path, depth+len(m.Effects))
}

// coversInner examines the inner matches of one for what lies within an action.
func (x *examination) coversInner(m *Match, at int, path string, depth int) bool {
	action := &x.Actions[at]
	if action.Opaque != "" {
		x.note(&Finding{Word: path + "inner", Line: m.Lines["inner"], Action: action.Path, Want: "any, or all that it does can be seen", Got: bounded(action.Opaque), Unknown: true}, depth)
		return false
	}
	end, seen := next(x.Actions, at), 0
children:
	for i := at + 1; i < end; i = next(x.Actions, i) {
		seen++
		if x.Actions[i].Forwarded {
			continue
		}
		for j := range m.Inner {
			before, reached := x.finding, x.depth
			if x.coversAction(&m.Inner[j], i, within(path, j), depth) {
				x.finding, x.depth = before, reached
				continue children
			}
		}
		if len(m.Inner) == 0 {
			x.note(&Finding{Word: path + "inner", Line: m.Lines["inner"], Action: x.Actions[i].Path, Want: "no call within", Got: bounded(shownAction(&x.Actions[i]))}, depth)
		}
		return false
	}
	if seen != action.Inner {
		x.note(&Finding{Word: path + "inner", Line: m.Lines["inner"], Action: action.Path, Want: fmt.Sprintf("%d calls within", action.Inner), Got: fmt.Sprint(seen), Unknown: true}, depth)
		return false
	}
	return true
}

// failing counts the words of a match that are not true, which are the fewer the
// nearer a request is to it. It may stop where there are more than so many. A match for
// something else altogether is farther than all others.
func failing(m *Match, s *subject, most int, known *answers) int {
	n, at := 0, 0
	for about, predicates := range [][]predicate{m.Request, m.Action, m.Effects} {
		for _, p := range predicates {
			if n > most {
				return n
			}
			if !known.everywhere(p, level(about), at, s) {
				n += distance(p)
			}
			at++
		}
	}
	return n
}

// far is farther than all words of a match together.
const far = 1 << 20

// distance is how much a word that is not true says that a rule is about another request:
// what is for lists of accounts is not nearly for a transaction, though this word alone fails.
func distance(p predicate) int {
	if word := p.key(); word == "kind" || word == "method" {
		return far
	}
	return 1
}

// answers are those of the words of the match that was asked last, by their
// places: matches that are alike share most words.
type answers [16]struct {
	word   predicate
	about  level
	answer bool
}

// everywhere answers as a subject does.
func (a *answers) everywhere(p predicate, about level, at int, s *subject) bool {
	if at >= len(a) {
		return s.everywhere(p, about)
	}
	if last := &a[at]; last.word != p || last.about != about {
		last.word, last.about, last.answer = p, about, s.everywhere(p, about)
	}
	return a[at].answer
}
