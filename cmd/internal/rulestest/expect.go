package rulestest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// check returns what is not as expected.
func (e Expect) check(got Result, storage map[string]string) []string {
	var failures []string
	fail := func(format string, args ...any) { failures = append(failures, fmt.Sprintf(format, args...)) }
	if got.Verdict != e.Verdict {
		hint := ""
		if !e.Given {
			hint = " (without an expectation, a request must be approved)"
		}
		fail("verdict: want %s, got %s%s", e.Verdict, got.Verdict, hint)
	}
	if e.Rule != "" && got.Rule != e.Rule && !strings.HasSuffix(got.Rule, ":"+e.Rule) {
		fail("rule: want %s, got %q", e.Rule, got.Rule)
	}
	if !strings.Contains(got.Reason, e.Reason) {
		fail("reason: want %q in it, got %q", e.Reason, got.Reason)
	}
	for _, part := range e.Explanation {
		if !strings.Contains(got.Why, part) {
			fail("explanation: want %q in it, got %q", part, got.Why)
		}
	}
	if missing, ok := e.console(got.Console); !ok {
		fail("console: %s", missing)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Storage)) {
		if e.Storage[key] != storage[key] {
			fail("storage.%s: want %s, got %s", key, stored(e.Storage[key]), stored(storage[key]))
		}
	}
	if e.Listed != nil && !slices.Equal(e.Listed, got.Listed) {
		fail("listed: want %s, got %s", hexes(e.Listed), hexes(got.Listed))
	}
	return failures
}

// console looks for the expected lines in their order.
func (e Expect) console(lines []Line) (missing string, ok bool) {
	if e.Console != nil && len(e.Console) == 0 && len(lines) > 0 {
		return fmt.Sprintf("want nothing, got %q", lines[0].Text), false
	}
	i := 0
	for _, want := range e.Console {
		for i < len(lines) && !strings.Contains(lines[i].Text, want) {
			i++
		}
		if i == len(lines) {
			return fmt.Sprintf("%q is not among the %d lines, or not in this order", want, len(lines)), false
		}
		i++
	}
	return "", true
}

func stored(value string) string {
	if value == "" {
		return "no value"
	}
	return fmt.Sprintf("%q", value)
}

func hexes(addresses []common.Address) string {
	texts := make([]string, len(addresses))
	for i, address := range addresses {
		texts[i] = address.Hex()
	}
	return "[" + strings.Join(texts, " ") + "]"
}
