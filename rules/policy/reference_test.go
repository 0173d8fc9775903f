package policy

import (
	"bytes"
	stdflag "flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = stdflag.Bool("update", false, "write the words and warnings into docs/policy.md")

// TestReferenceIsTrue compares the tables of words and of warnings in the page
// with those of the package.
func TestReferenceIsTrue(t *testing.T) {
	t.Parallel()
	const path = "../../docs/policy.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"words": reference(), "warnings": referenceOfWarnings()} {
		begin, end := []byte("<!-- "+name+": written from the tables of rules/policy by its test with -update -->\n"), []byte("<!-- end of "+name+" -->")
		from, to := bytes.Index(page, begin)+len(begin), bytes.Index(page, end)
		if from < len(begin) || to < from {
			t.Fatalf("the page has no place for the %s", name)
		}
		if got := string(page[from:to]); got != want && !*update {
			t.Errorf("docs/policy.md differs from the %s: run go test ./rules/policy -run TestReferenceIsTrue -update\nit has\n%s\nwant\n%s", name, got, want)
		}
		page = []byte(string(page[:from]) + want + string(page[to:]))
	}
	if *update {
		if err := os.WriteFile(path, page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// referenceOfWarnings writes the table of warnings.
func referenceOfWarnings() string {
	var b strings.Builder
	b.WriteString("\n| warning | the rule |\n|---|---|\n")
	for _, w := range warningIDs() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", w.id, cell(w.doc))
	}
	return b.String() + "\n"
}

// reference writes the tables.
func reference() string {
	var b strings.Builder
	for about, title := range []string{"About the request", "About an action", "About an effect"} {
		fmt.Fprintf(&b, "\n### %s\n\n| word | what stands there | what it is about |\n|---|---|---|\n", title)
		for _, w := range words() {
			if int(w.level) == about {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", w.key, cell(written(w.shape)), cell(w.doc))
			}
		}
	}
	return b.String() + "\n"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// written says in words what a shape permits.
func written(of any) string {
	s, ok := of.(shape)
	if !ok {
		s, _ = of.(map[string]any)
	}
	for text, known := range map[string]shape{
		"amount of ether": weiShape(), "amount": amountShape(), "address or name": addressShape(), "hash": patternShape("^0x[0-9a-fA-F]{64}$"),
		"`VAULT/KEY`": patternShape(`^[^/]+/[^/]+$`),
	} {
		if reflect.DeepEqual(s, known) {
			return text
		}
	}
	if either, ok := s["anyOf"].([]any); ok {
		if list, isShape := either[len(either)-1].(shape); isShape && list["type"] == "array" && len(either) == 2 && reflect.DeepEqual(list["items"], either[0]) {
			return written(either[0]) + ", or a list"
		}
		var all []string
		for _, one := range either {
			if text := written(one); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		return strings.Join(all, " or ")
	}
	if choices, ok := s["enum"].([]any); ok {
		var all []string
		for _, choice := range choices {
			all = append(all, fmt.Sprintf("`%v`", choice))
		}
		return strings.Join(all, ", ")
	}
	switch s["type"] {
	case "boolean":
		return "`true` or `false`"
	case "integer":
		return "whole number"
	case "array":
		return "list of: " + written(s["items"])
	case "object":
		if members, ok := s["properties"].(map[string]any); ok {
			return "keys `" + strings.Join(slices.Sorted(maps.Keys(members)), "`, `") + "`"
		}
		return "keys and values"
	case "string":
		if s["format"] == "date-time" {
			return "time, such as `2026-01-31T23:59:00Z`"
		}
		return "text"
	default:
		return "see [comparisons](#comparisons)"
	}
}
