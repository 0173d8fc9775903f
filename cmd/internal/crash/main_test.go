package crash_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs the tests, or the process that TestLedger kills.
func TestMain(m *testing.M) {
	if path := os.Getenv(ledgerVariable); path != "" {
		if err := holdAll(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
