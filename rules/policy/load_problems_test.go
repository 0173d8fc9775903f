package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// wantLine begins the problems that a file of testdata/problems must have.
const wantLine = "# want:\n"

func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, want, _ := strings.Cut(string(source), wantLine)
			p, err := Load("p", source, Options{})
			var problems *Error
			if p != nil || !errors.As(err, &problems) {
				t.Fatalf("policy %v, error %v", p, err)
			}
			var got strings.Builder
			for line := range strings.SplitSeq(problems.Error(), "\n") {
				got.WriteString("# " + strings.TrimPrefix(line, "p:") + "\n")
			}
			if got.String() != want {
				t.Errorf("the problems are\n%s", got.String())
			}
		})
	}
}

// TestBounds loads files that are too large in one way or another.
func TestBounds(t *testing.T) {
	t.Parallel()
	rule := "\n  - {effect: deny, match: {chain: 1}, id: a"
	lines := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line + strconv.Itoa(i) + "}")
		}
		return b.String()
	}
	for _, test := range []struct{ name, source, want string }{
		{"bytes", strings.Repeat(" ", MaxBytes+1), "p:1:1: the policy has 1048577 bytes, and may have 1048576"},
		{"rules", "version: 1\nrules:" + lines(maxRules+1, rule), "p:3:3: rules: there are 10001, and may be 10000"},
		{"brackets", "version: 1\nrules: " + strings.Repeat("[", 33) + strings.Repeat("]", 33), "nested deeper than 32"},
		{"blocks", "version: 1\nrules:\n " + strings.Repeat(" -", 33) + " a", "nested deeper than 32"},
		{"a tab", "version: 1\nrules:\n\t- id: x\n", "found character that cannot start any token; indent with spaces, not with tabs"},
		{"many brackets", "version: 1\nrules: " + strings.Repeat("[", MaxBytes-100), "this is no YAML"},
		{"many blocks", "version: 1\nrules:\n " + strings.Repeat(" -", MaxBytes/2-100), "this is no YAML"},
		{"many keys", "version: 1\nrules: " + strings.Repeat("{a: ", MaxBytes/4-100), "this is no YAML"},
		{"values", "version: 1\nrules: [" + strings.Repeat("a,", maxNodes) + "]", "the policy has more than 200000 values"},
		{"limits", "version: 1\nrules:\n  - {id: a, effect: allow, match: {chain: 1}, limits: [" + strings.Repeat("{},", 33) + "]}", "limits: there are 33, and may be 32"},
		{"problems", "version: 1\nrules: [" + strings.Repeat("\na,", 150) + "]", "p: and 50 more"},
		{"many problems", "version: 1\nrules: [" + strings.Repeat("\na,", maxRules) + "]", "p: and 200 more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Load("p", []byte(test.source), Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%.300v, want %s", err, test.want)
			}
		})
	}
}

// TestHeavy loads files that are small and mean much.
func TestHeavy(t *testing.T) {
	t.Parallel()
	address := func(i int) string { return "0x" + strings.Repeat("0", 30) + strconv.Itoa(1_000_000_000+i) }
	var addresses, names, bad strings.Builder
	for i := range 9000 {
		addresses.WriteString(address(i) + ",")
		names.WriteString("  " + strings.Repeat("n", 20) + strconv.Itoa(i) + ": " + address(i) + "\n")
		bad.WriteString(strings.Repeat("m", 30) + strconv.Itoa(i) + ",")
	}
	var rules strings.Builder
	for i := range 8000 {
		rules.WriteString("  - {id: r" + strconv.Itoa(i) + ", effect: deny, match: {account: all}}\n")
	}
	for _, test := range []struct{ name, source, want string }{
		{"lists", "version: 1\nlists: {all: [" + addresses.String() + "]}\nrules:\n" + rules.String(), "there are more than 2097152 addresses"},
		{"names", "version: 1\naccounts:\n" + names.String() + "rules:\n  - {id: a, effect: deny, match: {account: [" + bad.String() + "]}}\n", "p: and 200 more"},
		{"texts", "version: 1\nrules:\n  - {id: a, effect: deny, match: {principal: [" + bad.String() + "], gas: 1}}\n", `unknown word "gas"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Load("p", []byte(test.source), Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%.300v, want %s", err, test.want)
			}
		})
	}
}
