package emulator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

// refusals are the kinds that put an error answer in place of the operation.
var refusals = map[emulator.FaultKind]struct {
	status      int
	code, inner string
}{
	emulator.FaultUnauthorized:      {401, "Unauthorized", ""},
	emulator.FaultForbiddenRBAC:     {403, "Forbidden", "ForbiddenByRbac"},
	emulator.FaultForbiddenPolicy:   {403, "Forbidden", "AccessDenied"},
	emulator.FaultForbiddenFirewall: {403, "Forbidden", "ForbiddenByFirewall"},
	emulator.FaultForbiddenHTML:     {403, "", ""},
	emulator.FaultKeyDisabled:       {403, "Forbidden", "KeyDisabled"},
	emulator.FaultNotFound:          {404, "KeyNotFound", ""},
	emulator.FaultConflict:          {409, "Conflict", ""},
	emulator.FaultThrottled:         {429, "Throttled", ""},
	emulator.FaultServerError:       {500, "InternalServerError", ""},
	emulator.FaultUnavailable:       {503, "ServiceUnavailable", ""},
	emulator.FaultBadChallenge:      {401, "Unauthorized", ""},
}

// losses are the kinds that leave the caller without an answer; true means that
// the operation was carried out.
var losses = map[emulator.FaultKind]bool{
	emulator.FaultReset:     false,
	emulator.FaultTruncated: true,
	emulator.FaultLostReply: true,
}

// lies are the kinds that spoil a complete answer; each has a test of its own.
var lies = map[emulator.FaultKind]bool{
	emulator.FaultSlow: true, emulator.FaultWrongKID: true, emulator.FaultWrongSignature: true, emulator.FaultWrongLength: true,
	emulator.FaultForeignNextLink: true, emulator.FaultEmptyPage: true,
}

var createBody = map[string]any{"kty": "EC", "crv": "P-256K"}

// TestEveryFault sends, for each kind, a request that meets it and one that comes
// after it, by HTTP/1.1 and HTTP/2.
func TestEveryFault(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for kind := emulator.FaultUnauthorized; !strings.HasPrefix(kind.String(), "FaultKind("); kind++ {
			t.Run(fmt.Sprintf("%s http2=%t", kind, http2), func(t *testing.T) {
				s := start(t, emulator.Options{})
				c := newRaw(t, s, "dev", http2)
				defer s.Inject(emulator.Fault{Op: emulator.OpCreate, Kind: kind, Times: 1})()
				if want, ok := refusals[kind]; ok {
					answer := c.must(t, c.vaultRequest(t, http.MethodPost, "/keys/k/create", createBody))
					checkRefusal(t, answer, want.status, want.code, want.inner)
					checkDone(t, c, false)
				} else if done, ok := losses[kind]; ok {
					answer, err := c.send(c.vaultRequest(t, http.MethodPost, "/keys/k/create", createBody))
					if err == nil {
						t.Errorf("answered %d %q", answer.status, answer.body)
					}
					// The client of HTTP/2 does not tell one end of a connection from another.
					if reset := errors.Is(err, syscall.ECONNRESET); !http2 && reset != (kind != emulator.FaultTruncated) {
						t.Errorf("a reset is %t: %v", reset, err)
					}
					checkDone(t, c, done)
				} else if !lies[kind] {
					t.Fatal("this kind has no test")
				}
				if status, reply := c.call(t, http.MethodPost, "/keys/after/create", createBody); status != http.StatusOK {
					t.Errorf("after the fault: %d %v", status, reply)
				}
			})
		}
	}
}

func checkRefusal(t *testing.T, answer rawAnswer, status int, code, inner string) {
	t.Helper()
	if answer.status != status {
		t.Errorf("status %d, want %d", answer.status, status)
	}
	if code == "" {
		if !strings.HasPrefix(answer.header.Get("Content-Type"), "text/html") || !bytes.Contains(answer.body, []byte("<html>")) {
			t.Errorf("not HTML: %q", answer.body)
		}
		return
	}
	if gotCode, gotInner := errorCodes(decodeJSON(t, answer.body)); gotCode != code || gotInner != inner {
		t.Errorf("codes %q, %q, want %q, %q", gotCode, gotInner, code, inner)
	}
}

func checkDone(t *testing.T, c *rawClient, done bool) {
	t.Helper()
	want := http.StatusNotFound
	if done {
		want = http.StatusOK
	}
	if status, _ := c.call(t, http.MethodGet, "/keys/k", nil); status != want {
		t.Errorf("get after the fault: %d, want %d", status, want)
	}
}

func signBody() map[string]any {
	return map[string]any{"alg": "ES256K", "value": base64.RawURLEncoding.EncodeToString(digestOf("x"))}
}

// TestSignatureFaults checks that each spoilt signature is spoilt in one way only.
func TestSignatureFaults(t *testing.T) {
	s := start(t, emulator.Options{})
	key, err := s.CreateKey("dev", "k")
	if err != nil {
		t.Fatal(err)
	}
	c := newRaw(t, s, "dev", true)
	public := crypto.FromECDSAPub(key.Public)
	for _, tc := range []struct {
		kind              emulator.FaultKind
		rightKID, rightly bool
		length            int
	}{
		{emulator.FaultWrongKID, false, true, 64},
		{emulator.FaultWrongSignature, true, false, 64},
		{emulator.FaultWrongLength, true, false, 63},
	} {
		t.Run(tc.kind.String(), func(t *testing.T) {
			remove := s.Inject(emulator.Fault{Kind: tc.kind})
			for _, faulty := range []bool{true, false} {
				status, reply := c.call(t, http.MethodPost, "/keys/k/sign", signBody())
				if status != http.StatusOK {
					t.Fatalf("%d %v", status, reply)
				}
				signature, err := base64.RawURLEncoding.DecodeString(reply["value"].(string))
				if err != nil {
					t.Fatal(err)
				}
				length, rightly := 64, true
				if faulty {
					length, rightly = tc.length, tc.rightly
				}
				if len(signature) != length {
					t.Fatalf("faulty %t: %d bytes", faulty, len(signature))
				}
				if got := reply["kid"] == key.ID; got != (tc.rightKID || !faulty) {
					t.Errorf("faulty %t: kid %v of %s", faulty, reply["kid"], key.ID)
				}
				if got := crypto.VerifySignature(public, digestOf("x"), lowS(signature)); got != rightly {
					t.Errorf("faulty %t: verifies %t", faulty, got)
				}
				remove()
			}
		})
	}
}

// TestListFaults follows the links of spoilt pages.
func TestListFaults(t *testing.T) {
	s := start(t, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	c := newRaw(t, s, "dev", true)

	s.Inject(emulator.Fault{Kind: emulator.FaultEmptyPage, Times: 1})
	_, page := c.call(t, http.MethodGet, "/keys", nil)
	if items := page["value"].([]any); len(items) != 0 {
		t.Errorf("the empty page has %v", items)
	}
	next, _ := page["nextLink"].(string)
	answer := c.must(t, c.request(t, http.MethodGet, next, nil, http.Header{"Authorization": {"Bearer " + c.token}}))
	if !bytes.Contains(answer.body, []byte("/keys/k")) {
		t.Errorf("the page after it: %d %s", answer.status, answer.body)
	}

	s.Inject(emulator.Fault{Kind: emulator.FaultForeignNextLink, Times: 1})
	_, page = c.call(t, http.MethodGet, "/keys", nil)
	next, _ = page["nextLink"].(string)
	if !strings.HasPrefix(next, "https://"+emulator.ForeignHost+"/") {
		t.Fatalf("the foreign link is %q", next)
	}
	if n := s.Count(emulator.OpForeign); n != 0 {
		t.Errorf("%d foreign requests before following it", n)
	}
	c.must(t, c.request(t, http.MethodGet, next, nil, nil))
	if n := s.Count(emulator.OpForeign); n != 1 {
		t.Errorf("%d foreign requests", n)
	}
}

// TestSlow holds a request back until the caller goes away.
func TestSlow(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	remove := s.Inject(emulator.Fault{Kind: emulator.FaultSlow, Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.send(c.vaultRequest(t, http.MethodGet, "/keys", nil).WithContext(ctx))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the slow request ended with %v", err)
	}
	remove()
	remove() // as often as one likes
	if status, _ := c.call(t, http.MethodGet, "/keys", nil); status != http.StatusOK {
		t.Errorf("after the fault: %d", status)
	}
}

// TestCloseEndsSlowRequests: a server that is closed waits for nobody.
func TestCloseEndsSlowRequests(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := start(t, emulator.Options{Latency: time.Hour})
		c := newRaw(t, s, "dev", http2)
		ended := make(chan error, 1)
		req := c.vaultRequest(t, http.MethodPost, "/keys/k/create", createBody)
		go func() {
			_, err := c.send(req)
			ended <- err
		}()
		for tick := time.NewTicker(time.Millisecond); s.Count(emulator.OpCreate) == 0; <-tick.C {
			continue // until the request has arrived
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("the request was answered")
		}
	}
}

func TestRetryAfter(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	for _, tc := range []struct {
		after           time.Duration
		seconds, millis string
	}{
		{0, "", ""}, {time.Second, "1", ""}, {7 * time.Second, "7", ""}, {20 * time.Millisecond, "1", "20"},
	} {
		s.Inject(emulator.Fault{Kind: emulator.FaultThrottled, RetryAfter: tc.after, Times: 1})
		answer := c.must(t, c.vaultRequest(t, http.MethodGet, "/keys", nil))
		if got, gotMillis := answer.header.Get("Retry-After"), answer.header.Get("retry-after-ms"); got != tc.seconds || gotMillis != tc.millis {
			t.Errorf("%v: Retry-After %q, retry-after-ms %q", tc.after, got, gotMillis)
		}
	}
}

// TestFaultSelection: a fault keeps to its operation, its key, and its number.
func TestFaultSelection(t *testing.T) {
	s := start(t, emulator.Options{})
	for _, name := range []string{"a", "b"} {
		if _, err := s.CreateKey("dev", name); err != nil {
			t.Fatal(err)
		}
	}
	c := newRaw(t, s, "dev", true)
	s.Inject(emulator.Fault{Op: emulator.OpGet, Key: "A", Kind: emulator.FaultServerError, Times: 2})
	for i, tc := range []struct {
		path   string
		status int
	}{
		{"/keys/b", 200}, {"/keys", 200}, {"/keys/a/versions", 200}, {"/keys/a", 500}, {"/keys/b", 200}, {"/keys/a", 500}, {"/keys/a", 200},
	} {
		if status, _ := c.call(t, http.MethodGet, tc.path, nil); status != tc.status {
			t.Errorf("request %d, %s: %d, want %d", i, tc.path, status, tc.status)
		}
	}
	if n := s.Count(emulator.OpGet); n != 5 {
		t.Errorf("%d get requests: those that met a fault count, too", n)
	}
	s.ResetCounts()
	if n := s.Count(emulator.OpGet); n != 0 {
		t.Errorf("%d get requests after the reset", n)
	}
}

// TestBadChallenge: the malformed challenge meets callers with and without a token.
func TestBadChallenge(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	s.Inject(emulator.Fault{Kind: emulator.FaultBadChallenge, Times: 2})
	for _, token := range []string{"", c.token} {
		c.token = token
		answer := c.must(t, c.vaultRequest(t, http.MethodGet, "/keys", nil))
		want := `Bearer authorization="https://login.microsoftonline.com", resource="https://vault.azure.net"`
		if got := answer.header.Get("WWW-Authenticate"); answer.status != 401 || got != want {
			t.Errorf("%d %q", answer.status, got)
		}
	}
}

// TestTokenFaults: Entra fails in its own words.
func TestTokenFaults(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	for kind, status := range map[emulator.FaultKind]int{
		emulator.FaultUnauthorized: 401, emulator.FaultForbiddenRBAC: 403, emulator.FaultNotFound: 404, emulator.FaultConflict: 409,
		emulator.FaultThrottled: 429, emulator.FaultServerError: 500, emulator.FaultUnavailable: 503,
	} {
		s.Inject(emulator.Fault{Op: emulator.OpToken, Kind: kind, Times: 1})
		answer := c.tokenRequest(t, s, secretForm(s, "https://vault.azure.net"))
		reply := decodeJSON(t, answer.body)
		if answer.status != status || reply["error"] == nil || reply["error_codes"] == nil {
			t.Errorf("%s: %d %v", kind, answer.status, reply)
		}
	}
	s.Inject(emulator.Fault{Kind: emulator.FaultServerError, Times: 1}) // of keys only
	if answer := c.tokenRequest(t, s, secretForm(s, "https://vault.azure.net")); answer.status != http.StatusOK {
		t.Errorf("a fault of any key operation met a token request: %d", answer.status)
	}
}
