package policy

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kvclef/kvclef/rules"
)

// FuzzLoad reads anything. It ends, tells what is wrong within bounds, and what
// it reads without a problem can be used.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/problems/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(source)
		}
	}
	requests := requestsOf(f)
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := Load("p", source, Options{})
		if err != nil {
			checkProblems(t, err)
			return
		}
		if p.Name() != "p" || p.Hash() == [32]byte{} || len(p.Rules()) == 0 {
			t.Errorf("the policy %s with the hash %x has %d rules", p.Name(), p.Hash(), len(p.Rules()))
		}
		for i := range p.rules {
			checkWords(t, &p.rules[i].Match)
		}
		for i := range p.budget {
			checkWords(t, &p.budget[i].Match)
		}
		for _, l := range p.Limits() {
			if l.ID == "" || l.Measure == "" || l.Window < time.Second || l.Window > maxWindow || l.Shown == "" {
				t.Errorf("the limit %+v", l)
			}
		}
		for name, req := range requests {
			decision, _, err := p.Evaluate(t.Context(), req)
			if len(p.Scripts()) == 0 && (err != nil || decision.Verdict == rules.Undecided) {
				t.Errorf("%s: %v, %v", name, decision.Verdict, err)
			}
			_ = p.Explain(req, time.Now()).String()
		}
	})
}

// checkProblems checks the form of an error.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	if len(e.Problems) == 0 || len(e.Problems) > maxProblems || e.More > 0 && len(e.Problems) < maxProblems {
		t.Errorf("there are %d problems, and %d more", len(e.Problems), e.More)
	}
	if !slices.IsSortedFunc(e.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}) {
		t.Errorf("they are not in order: %v", e)
	}
	for _, problem := range e.Problems {
		if problem.Line < 1 || problem.Column < 1 || utf8.RuneCountInString(problem.Text) > maxText+1 || !utf8.ValidString(problem.Text) {
			t.Errorf("the problem %+v", problem)
		}
	}
}

// checkWords checks that no word of a match is lost: the match would be wider.
func checkWords(t *testing.T, m *Match) {
	t.Helper()
	n := 0
	for key := range m.Lines {
		if key != wordAny && key != wordInner {
			n++
		}
	}
	if got := len(explicit(m.Request)) + len(explicit(m.Action)) + len(explicit(m.Effects)); got != n {
		t.Errorf("of the words %v there are %d", m.Lines, got)
	}
	for i := range m.Inner {
		checkWords(t, &m.Inner[i])
	}
}
