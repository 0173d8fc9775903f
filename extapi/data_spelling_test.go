package extapi

import (
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules/clefargs"
)

// TestDataShowsTheAddressAsItCame: rule files see the account of a request for data
// as the caller wrote it, as in Clef, and so does who judges it again from the log.
func TestDataShowsTheAddressAsItCame(t *testing.T) {
	t.Parallel()
	server := newDataServer(t)
	digits := testAddress[2:]
	for written, want := range map[string]string{
		testAddress:                                         testAddress,
		"0x" + strings.ToLower(digits):                      "0x" + strings.ToLower(digits),
		"0x" + strings.ToUpper(digits):                      "0x" + strings.ToUpper(digits),
		"0X" + digits:                                       testAddress, // as in Clef
		"0X" + strings.ToUpper(digits):                      "0x" + strings.ToUpper(digits),
		"0x7" + strings.ToLower(digits[1:20]) + digits[20:]: "0x7" + strings.ToLower(digits[1:20]) + digits[20:],
	} {
		address := `"` + written + `"`
		for method, params := range map[string][]string{
			"account_signData":         {`"text/plain"`, address, `"0x68656c6c6f"`},
			"account_signTypedData":    {address, docOf(`"M":[]`, `{}`)},
			"account_signGnosisSafeTx": {address, safeText},
		} {
			result, err := server.call(method, params...)
			if err != nil {
				t.Fatalf("%s of %s: %v", method, written, err)
			}
			req := server.rules.last(t)
			if got := clefargs.SignDataOf(req).Address; got != want {
				t.Errorf("%s of %s: rule files see %s, want %s", method, written, got, want)
			}
			wantRebuilt(t, req)
			if method != "account_signGnosisSafeTx" {
				wantSignedBy(t, result, req.Digest, 27)
			}
		}
	}
}
