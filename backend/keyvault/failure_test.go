package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// response makes an answer of the vault as the SDK reports it.
func response(status int, body string, header http.Header) error {
	if header == nil {
		header = http.Header{}
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://kv-prod.vault.azure.net/keys/treasury/sign", http.NoBody)
	if err != nil {
		return err
	}
	return runtime.NewResponseError(&http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req,
	})
}

// sentWithToken is the trace of a request that the vault may have acted upon.
func sentWithToken() *trace {
	seen := &trace{}
	seen.authorized.Store(true)
	return seen
}

func errorBody(code, inner, message string) string {
	return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innererror":{"code":%q}}}`, code, message, inner)
}

func testVault(hsm bool) *Vault {
	v := &Vault{cfg: Config{Name: "kv-prod", TryTimeout: time.Second}, logger: slog.New(slog.DiscardHandler)}
	v.endpoint.hsm = hsm
	v.costs = v.priceList()
	return v
}

func TestAnswersBecomeMessages(t *testing.T) {
	signing := testVault(false).signing(&entry{account: backend.Account{Key: "treasury", Version: someVersion}})
	for name, c := range map[string]struct {
		status        int
		body          string
		header        http.Header
		kind          backend.Kind
		notSigned     bool
		retry         bool
		after         time.Duration
		want, wantNot string
	}{
		"bad token":         {401, errorBody("Unauthorized", "", "AKV10022: Invalid audience"), nil, backend.KindForbidden, true, false, 0, "vault kv-prod rejects the token", "AKV"},
		"no role":           {403, errorBody("Forbidden", "ForbiddenByRbac", "Caller is not authorized"), nil, backend.KindForbidden, true, false, 0, "no role lets this identity sign with key treasury", "Caller"},
		"no policy":         {403, errorBody("Forbidden", "AccessDenied", "no"), nil, backend.KindForbidden, true, false, 0, "add the key permission sign", ""},
		"inner by camel":    {403, `{"error":{"code":"Forbidden","innerError":{"code":"KeyDisabled"}}}`, nil, backend.KindForbidden, true, false, 0, "is disabled in vault kv-prod: enable it or remove it from keys", ""},
		"disabled by text":  {403, errorBody("Forbidden", "", "Operation sign is not allowed on a disabled key."), nil, backend.KindForbidden, true, false, 0, "is disabled", ""},
		"expired by text":   {403, errorBody("Forbidden", "", "Operation sign is not allowed on an expired key."), nil, backend.KindForbidden, true, false, 0, "outside its validity dates", ""},
		"firewall":          {403, errorBody("Forbidden", "ForbiddenByConnection", "x"), nil, backend.KindForbidden, true, false, 0, "the firewall of vault kv-prod", ""},
		"HTML":              {403, "<html>\n<body>no</body></html>", nil, backend.KindForbidden, false, false, 0, "something in front of vault kv-prod", "html"},
		"another 403":       {403, errorBody("Forbidden", "Odd", "x"), nil, backend.KindForbidden, true, false, 0, "(Forbidden Odd): grant keys/sign", ""},
		"not found":         {404, errorBody("KeyNotFound", "", "x"), nil, backend.KindNotFound, true, false, 0, "key treasury version " + someVersion + " is not in vault kv-prod", ""},
		"conflict":          {409, errorBody("Conflict", "ObjectIsDeletedButRecoverable", "x"), nil, backend.KindUnknown, true, false, 0, "wait, or recover or purge", ""},
		"throttled":         {429, errorBody("Throttled", "", "x"), nil, backend.KindBusy, true, true, 0, "busy", ""},
		"throttled, 7 s":    {429, errorBody("Throttled", "", "x"), http.Header{"Retry-After": {"7"}}, backend.KindBusy, true, true, 7 * time.Second, "busy", ""},
		"throttled, 20 ms":  {429, errorBody("Throttled", "", "x"), http.Header{"Retry-After-Ms": {"20"}, "Retry-After": {"1"}}, backend.KindBusy, true, true, 20 * time.Millisecond, "busy", ""},
		"throttled, years":  {429, errorBody("Throttled", "", "x"), http.Header{"Retry-After": {"99999999"}}, backend.KindBusy, true, true, time.Minute, "busy", ""},
		"throttled, past":   {429, errorBody("Throttled", "", "x"), http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, backend.KindBusy, true, true, 0, "busy", ""},
		"timeout":           {408, "", nil, backend.KindUnavailable, false, true, 0, "out of order (Request Timeout)", ""},
		"server error":      {500, errorBody("InternalServerError", "", "x"), nil, backend.KindUnavailable, false, true, 0, "vault kv-prod is out of order", ""},
		"unavailable":       {503, "", http.Header{"Retry-After": {"2"}}, backend.KindUnavailable, false, true, 2 * time.Second, "out of order", ""},
		"throttled by whom": {429, "", nil, backend.KindBusy, false, true, 0, "busy", ""},
		"token of an HSM":   {401, "", http.Header{"Www-Authenticate": {`Bearer authorization="https://a/b", resource="https://c"`}}, backend.KindForbidden, true, false, 0, "rejects the token", ""},
		"a proxy's 401":     {401, "", http.Header{"Www-Authenticate": {"Basic"}}, backend.KindForbidden, false, false, 0, "rejects the token", ""},
		"HTML, not found":   {404, "<html>", nil, backend.KindNotFound, false, false, 0, "is not in vault kv-prod", ""},
		"done, partly":      {206, "{}", nil, backend.KindUnavailable, false, false, 0, "vault kv-prod answers with status 206, as no vault does", ""},
		"too early":         {425, "", nil, backend.KindUnavailable, false, false, 0, "status 425", ""},
		"hung up":           {499, "<html>", nil, backend.KindUnavailable, false, false, 0, "status 499", ""},
		"precondition":      {412, errorBody("Odd", "", "x"), nil, backend.KindUnknown, false, false, 0, "(Precondition Failed Odd)", ""},
		"redirect":          {302, "", nil, backend.KindUnavailable, false, false, 0, "answers with a redirect", ""},
		"bad parameter":     {400, errorBody("BadParameter", "", "Invalid length\nof 'value'"), nil, backend.KindUnknown, true, false, 0, "does not accept the request to sign with key treasury", "length"},
		"code with newline": {400, errorBody("Bad\nParameter", "", "x"), nil, backend.KindUnknown, true, false, 0, "does not accept", ""},
	} {
		f := testVault(false).classify(t.Context(), signing, response(c.status, c.body, c.header), sentWithToken())
		if f.Kind != c.kind || f.NotSigned != c.notSigned || f.retry != c.retry || f.RetryAfter != c.after || !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: got kind %d, not signed %v, retry %v after %v, %q", name, f.Kind, f.NotSigned, f.retry, f.RetryAfter, f.Message)
		}
		if c.wantNot != "" && strings.Contains(f.Message, c.wantNot) || strings.ContainsAny(f.Message, "\n\r") || strings.Contains(f.Message, "https://") {
			t.Errorf("%s: message %q repeats what the service wrote", name, f.Message)
		}
	}
}

// restatus answers requests to sign, which the vault has done, with another status.
type restatus struct {
	base   http.RoundTripper
	status int
	body   string // in place of the signature, unless ""
}

func (r *restatus) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasSuffix(req.URL.Path, "/sign") {
		return resp, err
	}
	resp.StatusCode, resp.Status = r.status, http.StatusText(r.status)
	if r.body != "" {
		err = resp.Body.Close()
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(r.body)), int64(len(r.body))
	}
	return resp, err
}

// TestOnlyTheServiceSaysThatNothingWasSigned: the vault signs, and what stands before
// it answers with something else.
func TestOnlyTheServiceSaysThatNothingWasSigned(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	tune := fastTuning()
	tune.attempts, tune.outageCount, tune.throttle = 1, 1000, time.Millisecond
	v := opened(t, config(t, s, "kv-prod"), tune)
	account := accountOf(t, v, addressOf(key))
	base := v.transport.vault.Transport
	for _, status := range []int{
		201, 202, 203, 204, 206, 226, 300, 302, 304, 308, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 412, 413, 422, 425, 429, 431, 451, 499, 500, 502, 503, 599,
	} {
		for _, body := range []string{"", "<html>no</html>", errorBody("Odd", "", "x")} {
			v.transport.vault.Transport = &restatus{base, status, body}
			_, err := v.Sign(t.Context(), account, common.Hash{1})
			certain := strings.HasPrefix(body, "{") && slices.Contains([]int{400, 401, 403, 404, 409, 429}, status)
			if f := asBackendError(t, err); f.NotSigned != certain {
				t.Errorf("%d %s: certainly not signed is %t: %s", status, body, f.NotSigned, f.Message)
			}
		}
	}
}

func TestRolesAreNamedForTheService(t *testing.T) {
	denied := response(403, errorBody("Forbidden", "ForbiddenByRbac", ""), nil)
	// The HSM's Crypto Officer manages roles and deleted keys; a Crypto User makes keys.
	for _, op := range []operation{
		testVault(true).getting(identifier{"a", ""}), testVault(true).writing("create", "create", identifier{"a", ""}),
	} {
		if f := testVault(true).classify(t.Context(), op, denied, sentWithToken()); !strings.Contains(f.Message, "Managed HSM Crypto User") {
			t.Errorf("got %q, want Managed HSM Crypto User", f.Message)
		}
	}
	for want, op := range map[string]operation{
		"Key Vault Crypto User":    testVault(false).listing(),
		"Key Vault Crypto Officer": testVault(false).writing("import", "import", identifier{"a", ""}),
	} {
		if f := testVault(false).classify(t.Context(), op, denied, sentWithToken()); !strings.Contains(f.Message, want) {
			t.Errorf("got %q, want %s", f.Message, want)
		}
	}
}

func TestTransportErrorsBecomeMessages(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	spent, cancelSpent := context.WithTimeoutCause(t.Context(), 0, errBudget)
	defer cancelSpent()
	for name, c := range map[string]struct {
		ctx       context.Context //nolint:containedctx // the case's input
		err       error
		kind      backend.Kind
		notSigned bool
		want      string
	}{
		"unknown host":     {nil, &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, backend.KindUnavailable, true, "the host of vault kv-prod is unknown"},
		"refused":          {nil, &net.OpError{Op: "dial", Err: errors.New("refused")}, backend.KindUnavailable, true, "can't be reached"},
		"proxy":            {nil, &net.OpError{Op: "proxyconnect", Err: errors.New("refused")}, backend.KindUnavailable, true, "can't be reached"},
		"reset":            {nil, &net.OpError{Op: "read", Err: errors.New("reset")}, backend.KindUnavailable, false, "the connection to vault kv-prod broke"},
		"truncated":        {nil, io.ErrUnexpectedEOF, backend.KindUnavailable, false, "broke off"},
		"no answer":        {nil, context.DeadlineExceeded, backend.KindUnavailable, false, "does not answer within 1s"},
		"unreadable":       {nil, errors.New("unmarshalling type *azkeys.KeyBundle: x"), backend.KindInvalid, false, "can't be read"},
		"other challenge":  {nil, fmt.Errorf(`challenge resource "https://x" %s`, "doesn't match the requested domain."), backend.KindForbidden, false, "asks for a token of another service"},
		"panic":            {nil, &panicError{"index out of range"}, backend.KindUnavailable, false, "malformed"},
		"caller gone":      {canceled, context.Canceled, backend.KindCanceled, false, "given up"},
		"budget spent":     {spent, context.DeadlineExceeded, backend.KindUnavailable, false, "in the time allowed"},
		"caller, no token": {canceled, &tokenError{}, backend.KindCanceled, true, "given up"},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		v := testVault(false)
		f := v.classify(ctx, v.listing(), fmt.Errorf("wrapped: %w", c.err), sentWithToken())
		if !v.classify(ctx, v.listing(), fmt.Errorf("wrapped: %w", c.err), &trace{}).NotSigned {
			t.Errorf("%s: without a token sent, it is certain that nothing was signed", name)
		}
		if f.Kind != c.kind || f.NotSigned != c.notSigned || !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: got kind %d, not signed %v, %q", name, f.Kind, f.NotSigned, f.Message)
		}
	}
}

// TestATokenThatFailedLater says nothing of a request that was sent with another.
func TestATokenThatFailedLater(t *testing.T) {
	seen, v := sentWithToken(), testVault(false)
	seen.token.Store(&tokenError{status: 500})
	if f := v.classify(t.Context(), v.listing(), context.DeadlineExceeded, seen); f.NotSigned {
		t.Errorf("certainly not signed: %s", f.Message)
	}
}

func TestEntraCodes(t *testing.T) {
	for body, want := range map[string]string{
		`{"error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}`: "7000215",
		`{"error_codes":[700016]}`:                          "700016",
		`{"error_description":"AADSTS90002: Tenant"}`:       "90002",
		`{"error_description":"nothing","error_codes":[]}`:  "",
		`{"error_codes":[-1]}`:                              "",
		`{"error_codes":["x"]}`:                             "",
		`<html>`:                                            "",
		`{"error_description":"AADSTS1\nAADSTS123456789x"}`: "12345678",
	} {
		if got := parseEntraCode([]byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
	for code := range entraFaults {
		if !entraCode.MatchString("AADSTS" + code) {
			t.Errorf("code %s is never found", code)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, body := range []string{errorBody("Forbidden", "KeyDisabled", "a\nb"), `{"error":{"innerError":{"code":"x"}}}`, `{"error":null}`, `[]`, "<html>", `{"error":{"code":1}}`} {
		f.Add([]byte(body), 403)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		parsed := parseFault(body)
		for _, s := range []string{parsed.code, parsed.inner, parsed.message} {
			if len(s) > 3*1024 || strings.ContainsAny(s, "\n\r\t") {
				t.Fatalf("%q is not one bounded line", s)
			}
		}
		v := testVault(false)
		failed := v.classify(t.Context(), v.listing(), response(status, string(body), nil), sentWithToken())
		if failed.Message == "" || len(failed.Message) > 4096 || strings.ContainsAny(failed.Message, "\n\r") {
			t.Fatalf("message %q", failed.Message)
		}
		if failed.NotSigned && (parsed.code == "" || !slices.Contains([]int{400, 401, 403, 404, 409, 429}, status)) {
			t.Fatalf("status %d counts as certainly not signed", status)
		}
		if code := parseEntraCode(body); len(code) > 8 {
			t.Fatalf("code %q", code)
		}
	})
}
