package extapi

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// The costliest requests that the limits let through, or that are refused late,
// take memory in proportion to their size.
func TestHostileDataIsCheap(t *testing.T) {
	const (
		dimensions = 58
		most       = 64 << 20 // bytes allocated for one request of at most 5 MiB
	)
	server := newDataServer(t, 1337)
	array := func(element string, size int) string {
		return "[" + strings.Repeat(element+",", size/(len(element)+1)) + element + "]"
	}
	unknown := func(size int) string {
		var text strings.Builder
		for i := 0; text.Len() < size; i++ {
			text.WriteString(`"q` + strconv.Itoa(i) + `":0,`)
		}
		return text.String()
	}
	nested := strings.Repeat("[", dimensions-1) + array(`"0x`+strings.Repeat("00", 30)+`"`, 900_000) + strings.Repeat("]", dimensions-1)
	for _, test := range []struct {
		name, want, method string
		params             []string
	}{
		{"nested arrays of bytes", "", "account_signTypedData", []string{testAccount, oneField("bytes"+strings.Repeat("[]", dimensions), nested)}},
		{"objects for text", "wrong type []interface {}", "account_signData", []string{`"text/plain"`, testAccount, array(`{"a":1}`, 2_000_000)}},
		{
			"unknown members for a validator", `unknown member "q0": it would not be signed, remove it`, "account_signData",
			[]string{`"data/validator"`, testAccount, "{" + unknown(2_000_000) + `"message":"0x00"}`},
		},
		{
			"unknown members of a Safe transaction", "invalid argument 1: safe transaction has more than 256 members", "account_signGnosisSafeTx",
			[]string{testAccount, safeWith(t, `"nonce"`, unknown(2_000_000)+`"nonce"`)},
		},
		{
			"unknown members of a transaction", `invalid argument 0: unknown member "q0": it would not be signed, remove it`, "account_signTransaction",
			[]string{"{" + unknown(5_000_000) + `"to":null}`},
		},
		{
			"authorizations without end", "invalid argument 0: authorizationList has more than 256 entries, which is the most that is signed", "account_signTransaction",
			[]string{`{"from":` + testAccount + `,"gas":"0x1","nonce":"0x1","authorizationList":` + array("0", 5_000_000) + `}`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := server.call(test.method, test.params...)
			runtime.ReadMemStats(&after)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "":
				wantError(t, err, test.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%d MiB were allocated: at most %d", took>>20, most>>20)
			}
		})
	}
}
