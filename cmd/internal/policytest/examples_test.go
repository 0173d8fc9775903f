package policytest

import (
	"fmt"
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

// TestFullBatch: the example of a rollup allows a batch as large as op-batcher makes
// it by default, with the least gas that a node takes it with.
func TestFullBatch(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../docs/policies/rollup-batcher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rollup-batcher.yaml")
	const size, floor = 120_000, 40 // EIP-7623: for each byte that is not zero
	cases := fmt.Sprintf(`chain_id: 1
accounts: [batcher]
caller: {transport: http}
principal: op-batcher.example
cases:
  - name: a full batch
    transaction:
      {method: eth_signTransaction, from: batcher, to: inbox, chainId: mainnet, nonce: 7, value: 0, gas: %d, maxFeePerGas: 100 gwei, maxPriorityFeePerGas: 1 gwei, data: "0x%s"}
    expect: {verdict: approve, rule: batch}
`, 21_000+floor*size, strings.Repeat("ab", size))
	if err := os.WriteFile(FileOf(path), []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	subject, err := NewSubject(path, source)
	if err != nil {
		t.Fatal(err)
	}
	suite, err := ReadFile(FileOf(path), NamesOf(source))
	if err != nil {
		t.Fatal(err)
	}
	results, err := rulestest.Run(t.Context(), subject, suite.Cases[0].Case, "")
	if err != nil || len(results) != 1 || len(results[0].Failures) > 0 {
		t.Errorf("%v, %+v", err, results)
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
