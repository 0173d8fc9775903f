package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store"
)

// again compares what Clef keeps by now with what was carried over before: a Clef that went
// on has spent of limits since. Until a signer was started here nothing is lost by taking
// it over anew; later on the two have each a part of what counts.
func (plan *clefPlan) again(dir datadir.Dir, found *store.Summary) error {
	digest, err := valuesDigest(plan.values)
	if err != nil {
		return err
	}
	switch {
	case plan.before.SHA256 != "" && plan.before.SHA256 == digest:
		return nil
	case plan.before.SHA256 == "" && maps.Equal(shownToRules(plan.values), found.Values):
		return nil // an earlier build did not record what it took over
	}
	_, noLog := os.Lstat(dir.AuditLog())
	started := noLog == nil || len(found.LogHeads) > 0 || found.Relied != nil || found.Forgotten != nil || len(found.Counters) > 0 || len(found.Holds) > 0
	for _, record := range found.Records {
		started = started || record.Kind != importKind
	}
	if started {
		plan.wentOn = plan.before.SHA256 != "" // else it may be what the signer spent
		return nil
	}
	plan.before, plan.replaced = nil, found
	return nil
}

// shownToRules are the values that a rule file sees: an empty one is to it the same as none.
func shownToRules(values map[string]string) map[string]string {
	seen := maps.Clone(values)
	maps.DeleteFunc(seen, func(_, value string) bool { return value == "" })
	return seen
}

// valuesDigest is the same for the same values.
func valuesDigest(values map[string]string) (string, error) {
	text, err := json.Marshal(shownToRules(values)) // sorted by name
	if err != nil {
		return "", fmt.Errorf("comparing what the rule file keeps: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
