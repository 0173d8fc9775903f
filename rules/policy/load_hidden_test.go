package policy

import (
	"fmt"
	"strings"
	"testing"
)

// TestHidden: no character makes a rule of what looks like a comment, or shows text in
// another order than it is read.
func TestHidden(t *testing.T) {
	t.Parallel()
	const policy = "version: 1\r\nrules:\n  # payments%s\n  - {id: a, effect: deny, match: {any: true}}\n"
	for name, tt := range map[string]struct{ hidden, want string }{
		"nothing":             {"", ""},
		"letters":             {" äöü €", ""},
		"a line separator":    {"\u2028  - {id: x, effect: allow, match: {any: true}}", "p:3:13: the character U+2028 ends a line"},
		"a paragraph":         {"\u2029  - {id: x, effect: allow, match: {any: true}}", "p:3:13: the character U+2029 ends a line"},
		"a next line":         {"\u0085  - {id: x, effect: allow, match: {any: true}}", "p:3:13: the character U+0085 ends a line"},
		"a carriage return":   {"\r  - {id: x, effect: allow, match: {any: true}}", "p:3:13: the character U+000D ends a line"},
		"an override":         {"é\u202e", "p:3:14: the character U+202E changes the order"},
		"an embedding":        {"\u202a", "p:3:13: the character U+202A changes the order"},
		"the first isolate":   {"\u2066", "p:3:13: the character U+2066 changes the order"},
		"the end of isolates": {"\u2069", "p:3:13: the character U+2069 changes the order"},
		"another mark":        {"\u200e", "p:3:13: the character U+200E changes the order"},
		"a narrow space":      {"\u202f", ""},
		"an isolate":          {"\u2067", "p:3:13: the character U+2067 changes the order"},
		"a mark":              {"\u200f", "p:3:13: the character U+200F changes the order"},
		"an Arabic mark":      {"\u061c", "p:3:13: the character U+061C changes the order"},
		"another encoding":    {"\xff", "p:3:13: this is no UTF-8"},
		"several, and others": {"\u2028\n  - {id: \"\u2029\"}", "p:4:11: the character U+2029"},
	} {
		loaded, err := Load("p", fmt.Appendf(nil, policy, tt.hidden), Options{})
		if tt.want == "" {
			if err != nil || len(loaded.rules) != 1 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	escaped := strings.Replace(fmt.Sprintf(policy, ""), "id: a,", `id: a, description: "a\u2028b\u202E",`, 1)
	if _, err := Load("p", []byte(escaped), Options{}); err != nil {
		t.Errorf("escaped: %v", err)
	}
	if _, err := Load("p", []byte(fmt.Sprintf(policy, strings.Repeat("\u2028", 1000))), Options{}); err == nil || strings.Count(err.Error(), "\n") >= maxHidden {
		t.Errorf("many: %v", err)
	}
}
