package main

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/rules/policy"
)

// missingScript is the id of a warning that no rule accepts.
const missingScript = "missing-script"

// warnings are what looks wrong in a policy that loads, and in what is beside it. A signer
// for one chain refuses requests for others before the policy is asked.
func warnings(path string, loaded *policy.Policy, oneChain bool) []finding {
	var found []finding
	for _, warning := range policy.Lint(loaded) {
		if oneChain && warning.ID == policy.AnyChain && warning.Accepted == "" {
			continue
		}
		found = append(found, finding{
			File: path, Line: warning.Line, Warning: true, ID: warning.ID, Accepted: warning.Accepted, Text: fmt.Sprintf("rule %s %s", warning.Rule, warning.Text),
		})
	}
	scripts := loaded.Scripts()
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		if _, err := os.Stat(policytest.ScriptPath(path, name)); err != nil {
			found = append(found, finding{
				File: path, Warning: true, ID: missingScript, Text: fmt.Sprintf("rule %s hands over to %s, which can't be found beside the policy: %v", scripts[name], name, err),
			})
		}
	}
	return found
}
