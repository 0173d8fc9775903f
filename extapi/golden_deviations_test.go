package extapi

import (
	"bytes"
)

// deviation is an answer that differs from Clef's on purpose.
type deviation struct {
	number int    // in docs/compatibility.md
	answer string // kvclef's
}

// deviations are the captures that are answered otherwise, by name.
var deviations = map[string]deviation{}

// pendingCaptures tells captures of methods that are not there yet.
func pendingCaptures(c capture) bool {
	for _, name := range []string{"account_signData", "account_signTypedData", "account_ecRecover", "account_signGnosisSafeTx"} {
		if bytes.Contains(c.Request, []byte(name)) {
			return true
		}
	}
	return false
}
