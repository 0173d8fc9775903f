package clefjs

import (
	"strings"
	"testing"
	"time"
)

// TestCompilingIsBounded has a chain that takes tenths of a second to compile,
// and one term more doubles that: no longer one, since it can't be stopped.
func TestCompilingIsBounded(t *testing.T) {
	source := []byte("var x = 1" + strings.Repeat("&&1", 22))
	_, err := compileInTime("rules.js", source, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "rules.js: it takes more than 1ms to compile") {
		t.Errorf("got %v", err)
	}
	file, err := compileInTime("rules.js", source, time.Hour)
	if err != nil || file.program == nil || !file.words.has("x") {
		t.Errorf("got %v, %v", file, err)
	}
	if _, err := compileInTime("rules.js", []byte("var"), time.Hour); err == nil || !strings.Contains(err.Error(), "rules.js:1:4") {
		t.Errorf("got %v", err)
	}
}
