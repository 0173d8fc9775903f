package keyvault

import (
	"net/http"
	"regexp"
	"testing"
	"time"
)

// FuzzRetryAfter: whatever the headers, the time to wait is between none and a minute.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "0", "1", "-1", "60", "99999999999999999999", "1e3", "Wed, 21 Oct 2065 07:28:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", " 5"} {
		f.Add(text, "", "")
		f.Add("", text, "")
		f.Add("", "", text)
	}
	f.Fuzz(func(t *testing.T, seconds, millis, others string) {
		resp := &http.Response{Header: http.Header{"Retry-After": {seconds}, "Retry-After-Ms": {millis}, "X-Ms-Retry-After-Ms": {others}}}
		if wait := retryAfter(resp); wait < 0 || wait > time.Minute {
			t.Errorf("waits %v", wait)
		}
	})
}

// FuzzParseEntraCode: of what the identity platform answers, nothing but a number
// gets into messages.
func FuzzParseEntraCode(f *testing.F) {
	for _, text := range []string{
		`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret","error_codes":[7000215]}`,
		`{"error_codes":[1e3]}`, `{"error_codes":[7000215]}`, `{"error_codes":["x"]}`, `{"error_description":"AADSTS"}`, ``, `[]`, `{"error_codes":[70002151234567]}`,
	} {
		f.Add([]byte(text))
	}
	form := regexp.MustCompile(`^([0-9]{4,8})?$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		if code := parseEntraCode(body); !form.MatchString(code) {
			t.Errorf("%q is taken for a number", code)
		}
	})
}
