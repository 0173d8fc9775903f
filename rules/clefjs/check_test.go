package clefjs

import "testing"

// TestCheck: a file is compiled, and not run.
func TestCheck(t *testing.T) {
	for text, good := range map[string]bool{
		`function ApproveTx(r) { return "Approve" }`: true,
		`throw new Error("it runs")`:                 true,
		`for (;;) {}`:                                true,
		`function ApproveTx( {`:                      false,
		"\xff":                                       false,
	} {
		if err := Check("rules.js", []byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
