package policy

import (
	"fmt"

	"github.com/kvclef/kvclef/rules/facts"
)

// examination asks a match as holds and covers do, and notes why it fails.
type examination struct {
	subject
	finding *Finding
	depth   int // words that were true until the finding: the furthest is told
}

// note keeps a finding that came further than the others.
func (x *examination) note(found *Finding, depth int) {
	if x.finding == nil || depth > x.depth {
		x.finding, x.depth = found, depth
	}
}

// finds makes a finding of a predicate that is not true.
func (x *examination) finds(m *Match, p predicate, path string, answer truth) *Finding {
	found := &Finding{Word: path + p.key(), Line: m.Lines[p.key()], Want: bounded(p.want()), Got: bounded(p.got(&x.subject)), Unknown: answer == unknown}
	if x.action != nil {
		found.Action = x.action.Path
	}
	return found
}

// holds examines a match of a deny rule or a budget.
func (x *examination) holds(m *Match) bool {
	defer x.reset()
	var doubt *Finding
	depth := 0
	for _, p := range m.Request {
		answer := p.test(&x.subject)
		if answer == isTrue {
			depth++
			continue
		}
		found := x.finds(m, p, "", answer)
		if answer == isFalse {
			x.note(found, depth)
			return false
		}
		doubt = found
	}
	if !m.asksActions() {
		x.finding = doubt
		return true
	}
	if len(x.Actions) == 0 {
		x.note(x.nothing(m, ""), depth)
		return false
	}
	for i := range x.Actions {
		x.at(&x.Actions[i])
		held, maybe := x.holdsFor(m, depth)
		if held {
			if maybe == nil {
				maybe = doubt
			}
			x.finding = maybe
			return true
		}
	}
	return false
}

// holdsFor examines a match for one action. The finding is what makes it hold
// without being certain.
func (x *examination) holdsFor(m *Match, depth int) (bool, *Finding) {
	action := x.action
	if action.Opaque != "" {
		return true, &Finding{Line: m.Lines["inner"], Action: action.Path, Want: "all that it does can be seen", Got: bounded(action.Opaque), Unknown: true}
	}
	var doubt *Finding
	for _, p := range m.Action {
		switch answer := p.test(&x.subject); answer {
		case isTrue:
			depth++
		case isFalse:
			x.note(x.finds(m, p, "", answer), depth)
			return false, nil
		default:
			doubt = x.finds(m, p, "", answer)
		}
	}
	if len(m.Effects) == 0 {
		return true, doubt
	}
	if action.Decoding == facts.Unknown {
		return true, x.noEffect(m, "")
	}
	if len(action.Effects) == 0 {
		x.note(x.noEffect(m, ""), depth)
		return false, nil
	}
effects:
	for i := range action.Effects {
		x.effect = &action.Effects[i]
		reached, maybe := depth, doubt
		for _, p := range m.Effects {
			switch answer := p.test(&x.subject); answer {
			case isTrue:
				reached++
			case isFalse:
				x.note(x.finds(m, p, "", answer), reached)
				continue effects
			default:
				maybe = x.finds(m, p, "", answer)
			}
		}
		return true, maybe
	}
	return false, nil
}

// nothing is the finding of a request without actions.
func (x *examination) nothing(m *Match, path string) *Finding {
	first := append(m.Action[:len(m.Action):len(m.Action)], m.Effects...)[0]
	return &Finding{Word: path + first.key(), Line: m.Lines[first.key()], Want: bounded(first.want()), Got: "a " + kindShown(x.Kind) + ", which calls nothing and hands no token over"}
}

// noEffect is the finding of an action without an effect.
func (x *examination) noEffect(m *Match, path string) *Finding {
	first := m.Effects[0]
	found := &Finding{Word: path + first.key(), Line: m.Lines[first.key()], Action: x.action.Path, Want: bounded(first.want()), Got: "nothing that is known of tokens"}
	if x.action.Decoding == facts.Unknown {
		found.Got, found.Unknown = "data that is not understood", true
	}
	return found
}

// kindShown is a kind for people.
func kindShown(kind string) string {
	if kind == "" {
		return "request of no known kind"
	}
	return kind
}

// within names an inner match.
func within(path string, i int) string { return fmt.Sprintf("%sinner[%d].", path, i) }
