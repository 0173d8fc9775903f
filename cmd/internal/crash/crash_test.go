// Package crash_test kills the finished signer under load, again and again, and
// looks at what is left each time: no limit was passed, every signature that a
// client was given is in the audit log, the log's chain holds, the store opens.
//
// Half of the crashes come at random moments to the binary as it is shipped,
// the other half at named places to one that is built with the tag failpoint.
// A killed process loses what it had not handed to the system; what a power cut
// takes besides is imitated for the end of the audit log alone.
package crash_test

import (
	"os"
	"strconv"
	"testing"
	"time"
)

const (
	chainID = 1337
	limit   = 100 // CAP of the rule files, and of the policy

	patience = time.Minute // bounds what a process may take to start or to end
)

// rounds is how often a signer is killed, in all variants together.
func rounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("CRASHES"))
	if os.Getenv("CRASHES") == "" {
		return 200
	}
	if err != nil || n < 1 {
		t.Fatalf("CRASHES=%s is no number of rounds", os.Getenv("CRASHES"))
	}
	return n
}

// seed of all that is random, so that a run can be tried again, more or less.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("CRASH_SEED"), 10, 64)
	if err != nil {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("CRASH_SEED=%d", n)
	return n
}
