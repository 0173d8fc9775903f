package main

import "embed"

// The contenders.
const (
	clefLight      = "clef-light"       // with light key derivation
	clefFree       = "clef-free"        // with a key derivation that takes no time
	clefFreeBefore = "clef-free-before" // the same with rulesBefore
	kvclefAfter    = "kvclef-js"
	kvclefBefore   = "kvclef-js-before"
	kvclefPolicy   = "kvclef-policy"
)

// What decides: the first counts what is spent when a transaction is signed, the
// second with the decision, the third is a policy that does the same.
const (
	rulesAfter  ruleFile = "rules-after.js"
	rulesBefore ruleFile = "rules-before.js"
	policy      ruleFile = "policy.yaml"
)

// ruleFile is the name of a rule file or a policy of this package.
type ruleFile string

//go:embed rules-after.js rules-before.js policy.yaml
var embedded embed.FS

// text returns the file.
func (f ruleFile) text() ([]byte, error) { return embedded.ReadFile(string(f)) }
