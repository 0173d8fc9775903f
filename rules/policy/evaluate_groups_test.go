package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// TestWordsRuleOut: a word that is not true everywhere, or nowhere may be, rules
// out what has it, and of a match with no other word it says the same.
func TestWordsRuleOut(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(3000) {
		w := newWorld(seed)
		f := w.facts()
		s := &subject{Facts: f}
		for about := aboutRequest; about <= aboutEffect; about++ {
			p, m := w.word(about), Match{InnerAny: true}
			m.add(about, p)
			covers, everywhere := slowCovers(&m, f), s.everywhere(p, about)
			if covers && !everywhere || covers != everywhere && about != aboutEffect {
				t.Fatalf("seed %d: level %d is true everywhere: %v, and its match covers: %v", seed, about, everywhere, covers)
			}
			holds, somewhere := slowHolds(&m, f), s.somewhere(p, about)
			if holds != somewhere {
				t.Fatalf("seed %d: level %d is true somewhere: %v, and its match holds: %v", seed, about, somewhere, holds)
			}
			seen[fmt.Sprint(about, everywhere, somewhere)]++
		}
	}
	if len(seen) != 9 {
		t.Errorf("seen: %v", seen)
	}
}

// counting is a bound that counts how often it is asked.
type counting struct {
	bound uint64
	upper bool
	asked *int
}

func (c *counting) key() string         { return "bound" }
func (c *counting) want() string        { return "" }
func (c *counting) got(*subject) string { return "" }
func (c *counting) reaches() reach      { return reach{bound: uint256.NewInt(c.bound), upper: c.upper} }

func (c *counting) test(s *subject) truth {
	*c.asked++
	got := s.Request.ChainID.Uint64()
	return is(got == c.bound || c.upper == (got < c.bound))
}

// TestFewBoundsAreAsked has rules that differ in a bound alone, in any order.
func TestFewBoundsAreAsked(t *testing.T) {
	t.Parallel()
	const n = 1000
	for _, upper := range []bool{true, false} {
		for _, effect := range []Effect{Deny, Allow} {
			asked, of := 0, rand.New(rand.NewPCG(1, 2)).Perm(n)
			p := &Policy{}
			for i := range n {
				bound := &counting{bound: uint64(of[i] / 2), upper: upper, asked: &asked}
				p.rules = append(p.rules, Rule{ID: fmt.Sprint(of[i]), Effect: effect, Match: Match{Request: []predicate{bound}}})
			}
			p.index = p.compile()
			for number := range uint64(n/2 + 1) {
				req := &rules.Request{Kind: rules.KindText}
				req.ChainID = uint256.NewInt(number).ToBig()
				f := &facts.Facts{Request: req, Kind: facts.KindText}
				asked = 0
				got := p.judge(f)
				if asked > 30 {
					t.Fatalf("upper %v, number %d: %d of %d bounds are asked", upper, number, asked, n)
				}
				rule := ""
				if got.rule != nil {
					rule = got.rule.ID
				}
				if verdict, want := slowJudge(p, f); got.verdict != verdict || rule != want {
					t.Fatalf("upper %v, number %d: %v by %q, want %v by %q", upper, number, got.verdict, rule, verdict, want)
				}
			}
		}
	}
}
