package policy

import (
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// The evaluator of this file follows the definition in the doc comments of the
// package and of Match word by word. It is slow and knows no index.

// rank orders truths for "and", the least, and "or", the most.
func rank(t truth) int { return map[truth]int{isFalse: 0, unknown: 1, isTrue: 2}[t] }

func and(all ...truth) truth {
	least := isTrue
	for _, t := range all {
		if rank(t) < rank(least) {
			least = t
		}
	}
	return least
}

func or(all ...truth) truth {
	most := isFalse
	for _, t := range all {
		if rank(t) > rank(most) {
			most = t
		}
	}
	return most
}

func allOf(predicates []predicate, s subject) truth {
	var all []truth
	for _, p := range predicates {
		all = append(all, p.test(&s))
	}
	return and(all...)
}

// node is an action with what lies directly within it.
type node struct {
	*facts.Action
	inner []*node
}

func treeOf(actions []facts.Action) []*node {
	root := &node{}
	path := []*node{root}
	for i := range actions {
		n := &node{Action: &actions[i]}
		path = path[:n.Depth+1]
		parent := path[n.Depth]
		parent.inner = append(parent.inner, n)
		path = append(path, n)
	}
	return root.inner
}

// slowHolds is the match of a deny rule or a budget.
func slowHolds(m *Match, f *facts.Facts) bool {
	result := allOf(m.Request, subject{Facts: f})
	if len(m.Action)+len(m.Effects) > 0 {
		some := isFalse
		for i := range f.Actions {
			a := &f.Actions[i]
			effects := isTrue
			if len(m.Effects) > 0 {
				effects = isFalse
				for j := range a.Effects {
					effects = or(effects, allOf(m.Effects, subject{Facts: f, action: a, effect: &a.Effects[j]}))
				}
				if a.Decoding == facts.Unknown {
					effects = or(effects, unknown)
				}
			}
			some = or(some, and(allOf(m.Action, subject{Facts: f, action: a}), effects))
			if a.Opaque != "" {
				some = or(some, unknown)
			}
		}
		result = and(result, some)
	}
	return result != isFalse
}

// slowCovers is the match of an allow rule.
func slowCovers(m *Match, f *facts.Facts) bool {
	outermost := treeOf(f.Actions)
	if len(outermost) == 0 && len(m.Action)+len(m.Effects) > 0 {
		return false
	}
	result := allOf(m.Request, subject{Facts: f})
	for _, n := range outermost {
		result = and(result, slowCoversNode(m, f, n))
	}
	return result == isTrue
}

func slowCoversNode(m *Match, f *facts.Facts, n *node) truth {
	result := allOf(m.Action, subject{Facts: f, action: n.Action})
	if len(m.Effects) > 0 {
		if len(n.Effects) == 0 {
			result = and(result, isFalse)
		}
		if n.Decoding == facts.Unknown {
			result = and(result, unknown)
		}
		for j := range n.Effects {
			result = and(result, allOf(m.Effects, subject{Facts: f, action: n.Action, effect: &n.Effects[j]}))
		}
	}
	if m.InnerAny {
		return result
	}
	if n.Opaque != "" || n.Inner != len(n.inner) {
		result = and(result, unknown)
	}
	for _, child := range n.inner {
		if child.Forwarded {
			continue
		}
		covered := isFalse
		for i := range m.Inner {
			covered = or(covered, slowCoversNode(&m.Inner[i], f, child))
		}
		result = and(result, covered)
	}
	return result
}

// slowJudge is the verdict of a policy, with the rule that decides.
func slowJudge(p *Policy, f *facts.Facts) (rules.Verdict, string) {
	for i := range p.rules {
		if r := &p.rules[i]; r.Effect == Deny && !r.Shadow && slowHolds(&r.Match, f) {
			return rules.Reject, r.ID
		}
	}
	for i := range p.rules {
		if r := &p.rules[i]; r.Effect == Allow && !r.Shadow && slowCovers(&r.Match, f) {
			if r.Approvals != nil {
				return rules.Refer, r.ID
			}
			return rules.Approve, r.ID
		}
	}
	return rules.Reject, ""
}

// slowShadow are the first rules in shadow that would match: those that deny,
// and unless a rule denies those that allow.
func slowShadow(p *Policy, f *facts.Facts) (found []string) {
	verdict, rule := slowJudge(p, f)
	for _, effect := range []Effect{Deny, Allow} {
		for i := range p.rules {
			r := &p.rules[i]
			if r.Shadow && r.Effect == effect && (effect == Deny && slowHolds(&r.Match, f) || effect == Allow && slowCovers(&r.Match, f)) {
				found = append(found, r.ID)
			}
		}
		if verdict == rules.Reject && rule != "" {
			break
		}
	}
	return found[:min(len(found), maxSeen)]
}

// slowNearest are the rules that are nearest to allowing: of those that the index
// finds; if they are not enough also of those about the account; and if that is
// nothing near, of all: the first with the fewest words that fail.
func slowNearest(p *Policy, f *facts.Facts) []near {
	var found []near
	for pass := range 3 {
		l := p.index.allowances.find(&subject{Facts: f})
		if pass > 0 {
			l.widen()
		}
		if pass > 1 {
			l.all[byAccount] = true
		}
		for range maxAsked {
			i := l.candidate()
			if i < 0 {
				break
			}
			rule, n := p.index.allowing.rules[i], 0
			for about, predicates := range [][]predicate{rule.Match.Request, rule.Match.Action, rule.Match.Effects} {
				for _, word := range predicates {
					m := Match{InnerAny: true}
					m.add(level(about), word)
					if level(about) == aboutEffect && !(&subject{Facts: f}).everywhere(word, aboutEffect) || level(about) != aboutEffect && !slowCovers(&m, f) {
						n++
						if word.key() == "kind" || word.key() == "method" {
							n += 1<<20 - 1
						}
					}
				}
			}
			if !rule.Shadow && !slices.ContainsFunc(found, func(n near) bool { return n.rule == rule }) {
				found = append(found, near{rule, n})
			}
		}
		slices.SortStableFunc(found, func(a, b near) int { return a.failing - b.failing })
		about := len(found) // the same as the request
		for about > 0 && found[about-1].failing >= 1<<20 {
			about--
		}
		if about >= maxNearest || pass == 1 && about > 0 {
			break
		}
	}
	return found[:min(len(found), maxNearest)]
}

// sameMatches fails the test unless each index of a policy finds those rules and
// budgets that match, and no other.
func sameMatches(t *testing.T, p *Policy, f *facts.Facts) {
	t.Helper()
	c := p.indexes()
	for _, x := range []*index{c.denials, c.allowances, c.budgets} {
		found, s := map[int]bool{}, &subject{Facts: f}
		l := x.find(s)
		for i := l.next(s); i >= 0; i = l.next(s) {
			found[i] = true
		}
		for i, match := range x.matches {
			want := x.every && slowCovers(match, f) || !x.every && slowHolds(match, f)
			if found[i] != want {
				t.Fatalf("match %d of %d, of rules that allow: %v, is found: %v", i, len(x.matches), x.every, found[i])
			}
		}
	}
}
