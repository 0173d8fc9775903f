package policy

import (
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// compare judges random requests by a random policy in two ways.
func compare(t *testing.T, seed uint64, size, requests int) map[rules.Verdict]int {
	t.Helper()
	w := newWorld(seed)
	p := w.policy(size)
	verdicts := map[rules.Verdict]int{}
	for range requests {
		f := w.facts()
		got := p.judge(f)
		rule := ""
		if got.rule != nil {
			rule = got.rule.ID
		}
		if verdict, want := slowJudge(p, f); got.verdict != verdict || rule != want {
			t.Fatalf("seed %d: %v by %q, want %v by %q", seed, got.verdict, rule, verdict, want)
		}
		if near, want := p.nearest(&subject{Facts: f}), slowNearest(p, f); !slices.Equal(near, want) {
			t.Fatalf("seed %d: %v are nearest, want %v", seed, near, want)
		}
		var shadow []string
		for _, rule := range got.shadow {
			shadow = append(shadow, rule.ID)
		}
		if want := slowShadow(p, f); !slices.Equal(shadow, want) {
			t.Fatalf("seed %d: in shadow %v, want %v", seed, shadow, want)
		}
		verdicts[got.verdict]++
		if rule != "" && got.verdict == rules.Reject {
			verdicts[rules.Undecided]++ // denials
		}
		for i := range p.rules {
			r := &p.rules[i]
			want := r.Effect == Allow && slowCovers(&r.Match, f) || r.Effect == Deny && slowHolds(&r.Match, f)
			e := explainRule(r, f)
			if e.Matched != want {
				t.Fatalf("seed %d: rule %s is explained as matching: %v", seed, r.ID, e.Matched)
			}
			if !want && e.Finding == nil || want && r.Effect == Allow && e.Finding != nil {
				t.Fatalf("seed %d: rule %s, which matches: %v, has the finding %v", seed, r.ID, want, e.Finding)
			}
		}
		sameMatches(t, p, f)
		p.summary(&got)
	}
	return verdicts
}

func TestJudgeAgainstTheDefinition(t *testing.T) {
	t.Parallel()
	verdicts := map[rules.Verdict]int{}
	for seed := range uint64(900) {
		for verdict, n := range compare(t, seed, []int{1, 3, 8, 40, 70, 130, 300}[seed%7], 8) {
			verdicts[verdict] += n
		}
	}
	for _, verdict := range []rules.Verdict{rules.Approve, rules.Refer, rules.Reject, rules.Undecided} {
		if verdicts[verdict] < 100 {
			t.Errorf("too few of %v: %v", verdict, verdicts)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Add(uint64(2), uint8(70))
	f.Fuzz(func(t *testing.T, seed uint64, size uint8) { compare(t, seed, int(size), 3) })
}
