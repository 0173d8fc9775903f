package policy

import (
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
)

// seeing is a word that is what it is told to be.
type seeing struct {
	name   string
	answer func(s *subject) truth
}

func (s *seeing) key() string             { return s.name }
func (s *seeing) test(sub *subject) truth { return s.answer(sub) }
func (s *seeing) want() string            { return "" }
func (s *seeing) got(*subject) string     { return "" }

func TestCoverage(t *testing.T) {
	t.Parallel()
	method := &seeing{"method", func(s *subject) truth {
		switch s.Request.Method {
		case "a":
			return isTrue
		case "b":
			return isFalse
		default:
			return unknown
		}
	}}
	never := &seeing{"to", func(s *subject) truth {
		if s.action == nil {
			t.Error("asked without an action")
		}
		return isTrue
	}}
	p := &Policy{
		rules: []Rule{
			{ID: "first", Line: 3, Effect: Allow, Match: Match{Request: []predicate{method}, Action: []predicate{never}, Inner: []Match{{Effects: []predicate{never}}}}},
			{ID: "second", Shadow: true},
		},
		budget: []Budget{{Match: Match{Request: []predicate{method}}, Limit: limit.Limit{ID: "gas"}}},
	}
	c := p.NewCoverage()
	for _, name := range []string{"a", "b", "b", "c"} {
		c.Add(&rules.Request{Method: name, Kind: rules.KindText}, time.Time{}, rules.Decision{Rule: map[string]string{"a": "first"}[name]})
	}
	got := c.Rules()
	if len(got) != 3 || got[0].ID != "first" || got[0].Line != 3 || got[0].Decided != 1 || got[1].Decided != 0 || !got[1].Shadow || !got[2].Budget || got[2].ID != "gas" {
		t.Fatalf("%+v", got)
	}
	want := []WordCoverage{{Word: "method", True: 1, False: 2, Unknown: 1}, {Word: "to", False: 4}, {Word: "inner[0].to", False: 4}}
	for i, word := range want {
		if got[0].Words[i] != word {
			t.Errorf("%+v, want %+v", got[0].Words[i], word)
		}
	}
	if got[2].Words[0] != want[0] {
		t.Errorf("%+v", got[2].Words)
	}
	got[0].Words[0].True = 99
	if c.Rules()[0].Words[0].True != 1 {
		t.Error("what was returned is changed from outside")
	}
}
