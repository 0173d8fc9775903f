package policy

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// Coverage counts what requests have shown of a policy: which rules decided, and
// which words were both true and false. It is safe for concurrent use.
type Coverage struct {
	policy *Policy

	mu    sync.Mutex
	rules []RuleCoverage // as Policy.rules, then the budgets
}

// RuleCoverage is what was seen of a rule or of a budget.
type RuleCoverage struct {
	ID      string         `json:"id"`
	Line    int            `json:"line,omitempty"`
	Budget  bool           `json:"budget,omitempty"`
	Decided int            `json:"decided"` // requests; always 0 of budgets and shadow rules
	Shadow  bool           `json:"shadow,omitempty"`
	Words   []WordCoverage `json:"words"`
}

// WordCoverage is what was seen of a word. A word that was never false may be
// missing without anybody noticing, one that was never true may be wrong.
type WordCoverage struct {
	Word    string `json:"word"` // such as "to", or "inner[0].call"
	Line    int    `json:"line,omitempty"`
	True    int    `json:"true"`
	False   int    `json:"false"`
	Unknown int    `json:"unknown,omitempty"`
}

// NewCoverage returns the coverage of no requests.
func (p *Policy) NewCoverage() *Coverage {
	c := &Coverage{policy: p}
	for i := range p.rules {
		rule := &p.rules[i]
		c.rules = append(c.rules, RuleCoverage{ID: rule.ID, Line: rule.Line, Shadow: rule.Shadow, Words: wordsOf(&rule.Match, "")})
	}
	for i := range p.budget {
		c.rules = append(c.rules, RuleCoverage{ID: p.budget[i].Limit.ID, Budget: true, Words: wordsOf(&p.budget[i].Match, "")})
	}
	return c
}

// wordsOf names the words of a match in the order in which each is asked.
func wordsOf(match *Match, path string) []WordCoverage {
	named := []WordCoverage{}
	for _, predicates := range [][]predicate{match.Request, match.Action, match.Effects} {
		for _, p := range explicit(predicates) {
			named = append(named, WordCoverage{Word: path + p.key(), Line: match.Lines[p.key()]})
		}
	}
	for i := range match.Inner {
		named = append(named, wordsOf(&match.Inner[i], fmt.Sprintf("%sinner[%d].", path, i))...)
	}
	return named
}

// Add counts a request that was decided at a time.
func (c *Coverage) Add(req *rules.Request, at time.Time, decision rules.Decision) {
	f := facts.Of(req, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.rules {
		seen := &c.rules[i]
		var match *Match
		if i < len(c.policy.rules) {
			match = &c.policy.rules[i].Match
			if decision.Rule == seen.ID {
				seen.Decided++
			}
		} else {
			match = &c.policy.budget[i-len(c.policy.rules)].Match
		}
		countWords(match, f, seen.Words, 0)
	}
}

// countWords asks each word of a match by itself: about the request, about each
// action and its effects, and those of inner matches about what lies within. It
// returns how many words there are.
func countWords(match *Match, f *facts.Facts, seen []WordCoverage, depth int) int {
	n := 0
	for _, p := range explicit(match.Request) {
		seen[n].add(p.test(&subject{Facts: f}))
		n++
	}
	for _, p := range explicit(match.Action) {
		seen[n].addAll(p, actionsAt(f, depth))
		n++
	}
	for _, p := range explicit(match.Effects) {
		seen[n].addAll(p, effectsAt(f, depth))
		n++
	}
	for i := range match.Inner {
		n += countWords(&match.Inner[i], f, seen[n:], depth+1)
	}
	return n
}

// actionsAt are the actions at a depth and below.
func actionsAt(f *facts.Facts, depth int) []subject {
	var found []subject
	for i := range f.Actions {
		if f.Actions[i].Depth >= depth {
			found = append(found, subject{Facts: f, action: &f.Actions[i]})
		}
	}
	return found
}

// effectsAt are the effects of those.
func effectsAt(f *facts.Facts, depth int) []subject {
	var found []subject
	for _, s := range actionsAt(f, depth) {
		for i := range s.action.Effects {
			found = append(found, subject{Facts: f, action: s.action, effect: &s.action.Effects[i]})
		}
	}
	return found
}

// addAll counts the answers about subjects. Where there is none, the word does
// not apply, which is false.
func (w *WordCoverage) addAll(p predicate, subjects []subject) {
	if len(subjects) == 0 {
		w.add(isFalse)
	}
	for i := range subjects {
		w.add(p.test(&subjects[i]))
	}
}

func (w *WordCoverage) add(t truth) {
	switch t {
	case isTrue:
		w.True++
	case isFalse:
		w.False++
	default:
		w.Unknown++
	}
}

// Rules returns what was seen.
func (c *Coverage) Rules() []RuleCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := make([]RuleCoverage, len(c.rules))
	for i, rule := range c.rules {
		rule.Words = slices.Clone(rule.Words)
		copied[i] = rule
	}
	return copied
}
