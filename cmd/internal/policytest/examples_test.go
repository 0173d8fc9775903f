package policytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
)

// TestPolicies runs the example policies on their cases. Each rule of each policy
// decides in one of them.
func TestPolicies(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("../../../docs/policies/*.yaml")
	if err != nil || len(all) < 14 {
		t.Fatalf("%d files and %v", len(all), err)
	}
	for _, path := range all {
		if strings.HasSuffix(path, Suffix) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			runCases(t, path, source)
		})
	}
}

// runCases runs a policy on its cases.
func runCases(t *testing.T, path string, source []byte) {
	t.Helper()
	subject, err := NewSubject(path, source)
	if err != nil {
		t.Fatal(err)
	}
	suite, err := ReadFile(FileOf(path), NamesOf(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range suite.Cases {
		results, err := rulestest.Run(t.Context(), subject, c.Case, "")
		if err != nil {
			t.Errorf("%s:%d: %s: %v", suite.File, c.Line, c.Name, err)
		}
		for i, result := range results {
			for _, failure := range result.Failures {
				t.Errorf("%s:%d: %s: step %d: %s (%s %s)", suite.File, c.Line, c.Name, i+1, failure, result.Reason, result.Note)
			}
		}
	}
	for _, rule := range subject.Coverage() {
		if !rule.Budget && !rule.Shadow && rule.Decided == 0 {
			t.Errorf("%s:%d: rule %s never decided", path, rule.Line, rule.ID)
		}
	}
}
