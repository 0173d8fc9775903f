package emulator_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestRefusedRequests: what is malformed is refused with the status and the code
// of the service, and nothing happens.
func TestRefusedRequests(t *testing.T) {
	s := start(t, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	c := newRaw(t, s, "dev", true)
	large := `{"kty":"` + strings.Repeat("x", 70<<10) + `"}`
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"no api-version", "GET", "/keys", "", 400, "BadParameter"},
		{"unknown api-version", "GET", "/keys?api-version=1.0", "", 400, "BadParameter"},
		{"malformed query", "GET", "/keys?api-version=7.5;%zz", "", 400, "BadParameter"},
		{"name", "GET", "/keys/a_b?api-version=7.5", "", 400, "BadParameter"},
		{"long name", "GET", "/keys/" + strings.Repeat("a", 128) + "?api-version=7.5", "", 400, "BadParameter"},
		{"dots", "GET", "/keys/..%2f?api-version=7.5", "", 400, "BadParameter"},
		{"version", "GET", "/keys/k/1?api-version=7.5", "", 400, "BadParameter"},
		{"unknown version", "GET", "/keys/k/" + strings.Repeat("0", 32) + "?api-version=7.5", "", 404, "KeyNotFound"},
		{"unknown key", "POST", "/keys/nobody/sign?api-version=7.5", "{}", 404, "KeyNotFound"},
		{"unknown deleted key", "DELETE", "/deletedkeys/k?api-version=7.5", "", 404, "KeyNotFound"},
		{"not JSON", "POST", "/keys/new/create?api-version=7.5", "kty=EC", 400, "BadParameter"},
		{"no body", "POST", "/keys/new/create?api-version=7.5", "", 400, "BadParameter"},
		{"wrong type", "POST", "/keys/new/create?api-version=7.5", `{"kty":1}`, 400, "BadParameter"},
		{"fractional time", "POST", "/keys/new/create?api-version=7.5", `{"kty":"EC","attributes":{"exp":1.5}}`, 400, "BadParameter"},
		{"kty", "POST", "/keys/new/create?api-version=7.5", `{"kty":"oct"}`, 400, "BadParameter"},
		{"curve", "POST", "/keys/new/create?api-version=7.5", `{"kty":"EC","crv":"secp256k1"}`, 400, "BadParameter"},
		{"key size", "POST", "/keys/new/create?api-version=7.5", `{"kty":"RSA","key_size":1024}`, 400, "BadParameter"},
		{"key_ops", "POST", "/keys/new/create?api-version=7.5", `{"kty":"EC","key_ops":["fly"]}`, 400, "BadParameter"},
		{"exportable", "POST", "/keys/new/create?api-version=7.5", `{"kty":"EC","attributes":{"exportable":true}}`, 400, "BadParameter"},
		{"large body", "POST", "/keys/new/create?api-version=7.5", large, 413, "RequestEntityTooLarge"},
		{"import without d", "PUT", "/keys/new?api-version=7.5", `{"key":{"kty":"EC","crv":"P-256K"}}`, 400, "BadParameter"},
		{"import of zero", "PUT", "/keys/new?api-version=7.5", `{"key":{"kty":"EC","crv":"P-256K","d":"AA"}}`, 400, "BadParameter"},
		{
			"import, d too long", "PUT", "/keys/new?api-version=7.5",
			`{"key":{"kty":"EC","crv":"P-256K","d":"` + strings.Repeat("A", 46) + `"}}`, 400, "BadParameter",
		},
		{"import, x of another key", "PUT", "/keys/new?api-version=7.5", `{"key":{"kty":"EC","crv":"P-256K","d":"AQ","x":"AQ","y":"AQ"}}`, 400, "BadParameter"},
		{"import, not base64url", "PUT", "/keys/new?api-version=7.5", `{"key":{"kty":"EC","crv":"P-256K","d":"*"}}`, 400, "BadParameter"},
		{"import of half an RSA key", "PUT", "/keys/new?api-version=7.5", `{"key":{"kty":"RSA","n":"AQ","e":"AQAB"}}`, 400, "BadParameter"},
		{"maxresults", "GET", "/keys?maxresults=26&api-version=7.5", "", 400, "BadParameter"},
		{"skiptoken", "GET", "/keys?$skiptoken=*&api-version=7.5", "", 400, "BadParameter"},
		{"policy duration", "PUT", "/keys/k/rotationpolicy?api-version=7.5", `{"attributes":{"expiryTime":"soon"}}`, 400, "BadParameter"},
		{"backup", "POST", "/keys/k/backup?api-version=7.5", "", 501, "NotImplemented"},
		{"method", "POST", "/keys?api-version=7.5", "", 501, "NotImplemented"},
		{"other path", "GET", "/secrets?api-version=7.5", "", 501, "NotImplemented"},
		{"deep path", "GET", "/keys/a/b/c/d/e?api-version=7.5", "", 501, "NotImplemented"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}}
			answer := c.must(t, c.request(t, tc.method, c.base+tc.path, strings.NewReader(tc.body), h))
			checkRefusal(t, answer, tc.status, tc.code, "")
		})
	}
	if status, _ := c.call(t, http.MethodGet, "/keys/new", nil); status != http.StatusNotFound {
		t.Error("a refused request made a key")
	}
}

// TestSignRules: state, time, purpose, curve and length, in the words of the service.
func TestSignRules(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	hour := time.Hour
	for name, o := range map[string]emulator.KeyOptions{
		"live":     {NotBefore: time.Now().Add(-hour), Expires: time.Now().Add(hour)},
		"old":      {Curve: "SECP256K1"},
		"nist":     {Curve: "P-256"},
		"rsa":      {Curve: "RSA"},
		"disabled": {Disabled: true},
		"early":    {NotBefore: time.Now().Add(hour)},
		"expired":  {Expires: time.Now().Add(-hour)},
		"verifier": {KeyOps: []string{"verify"}},
	} {
		if _, err := s.CreateKeyWith("dev", name, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		key, alg    string
		bytes       int
		status      int
		inner, text string
	}{
		{"live", "ES256K", 32, 200, "", ""},
		{"old", "ECDSA256", 32, 200, "", ""},
		{"nist", "ES256", 32, 200, "", ""},
		{"nist", "ECDSA256", 32, 200, "", ""},
		{"live", "ECDSA256", 32, 400, "", "uses curve 'P-256K', and algorithm 'ECDSA256' can only be used with curve 'P-256' or 'SECP256K1'."},
		{"old", "ES256K", 32, 400, "", "uses curve 'SECP256K1', and algorithm 'ES256K' can only be used with curve 'P-256K'."},
		{"live", "ES256", 32, 400, "", "can only be used with curve 'P-256'."},
		{"rsa", "ES256K", 32, 400, "", "is an RSA key"},
		{"live", "HS256", 32, 400, "", "invalid value: 'HS256'"},
		{"live", "ES256K", 31, 400, "", "Invalid length of 'value': 31 bytes. ES256K requires 32 bytes, encoded with base64url."},
		{"live", "ES256K", 0, 400, "", "0 bytes"},
		{"disabled", "ES256K", 32, 403, "KeyDisabled", "Operation sign is not allowed on a disabled key."},
		{"early", "ES256K", 32, 403, "KeyNotYetValid", "not yet valid"},
		{"expired", "ES256K", 32, 403, "KeyExpired", "expired"},
		{"verifier", "ES256K", 32, 403, "KeyOperationForbidden", "not permitted"},
	} {
		t.Run(fmt.Sprintf("%s %s %d", tc.key, tc.alg, tc.bytes), func(t *testing.T) {
			body := map[string]any{"alg": tc.alg, "value": base64.RawURLEncoding.EncodeToString(make([]byte, tc.bytes))}
			status, reply := c.call(t, http.MethodPost, "/keys/"+tc.key+"/sign", body)
			if status != tc.status {
				t.Fatalf("%d %v", status, reply)
			}
			if _, inner := errorCodes(reply); inner != tc.inner || !strings.Contains(fmt.Sprint(reply), tc.text) {
				t.Errorf("%v", reply)
			}
		})
	}
}

// TestPaging walks lists of more than two pages by the links alone.
func TestPaging(t *testing.T) {
	for _, flavor := range []emulator.Flavor{emulator.KeyVault, emulator.ManagedHSM} {
		s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "dev", Flavor: flavor}}})
		var names []string
		for i := range 60 {
			name := fmt.Sprintf("Key-%02d", i)
			if _, err := s.CreateKey("dev", name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		var got []string
		pages := 0
		pager := azClient(t, s, "dev").NewListKeyPropertiesPager(nil)
		for pager.More() {
			page, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, p := range page.Value {
				got = append(got, p.KID.Name())
			}
			if link := page.NextLink; link != nil && !strings.Contains(*link, ".azure.net:443/keys?api-version=") {
				t.Errorf("the link is %s", *link)
			}
		}
		if pages != 3 || !slices.Equal(got, names) {
			t.Errorf("%d pages: %v", pages, got)
		}
		if n := s.Count(emulator.OpList); n != 3 {
			t.Errorf("%d list requests", n)
		}
	}
}

// TestLastPage: Key Vault ends with a null link, Managed HSM with none.
func TestLastPage(t *testing.T) {
	for flavor, want := range map[emulator.Flavor]bool{emulator.KeyVault: true, emulator.ManagedHSM: false} {
		s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "dev", Flavor: flavor}}})
		_, reply := newRaw(t, s, "dev", true).call(t, http.MethodGet, "/keys", nil)
		if link, present := reply["nextLink"]; present != want || link != nil {
			t.Errorf("flavor %d: nextLink %v, present %t", flavor, link, present)
		}
	}
}

// TestVersions: rotation and a second create make new keys under the same name;
// versions are sorted by id, and only a get without version tells the current one.
func TestVersions(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	seen := map[any]bool{}
	last := ""
	for i := range 30 {
		path, body := "/keys/k/create", any(map[string]any{"kty": "EC", "crv": "SECP256K1", "tags": map[string]string{"n": "1"}})
		if i > 0 {
			path, body = "/keys/K/rotate", nil // names are case-insensitive
		}
		status, reply := c.call(t, http.MethodPost, path, body)
		key, _ := reply["key"].(map[string]any)
		if status != http.StatusOK || key["crv"] != "SECP256K1" || seen[key["x"]] {
			t.Fatalf("%d %v", status, reply)
		}
		seen[key["x"]] = true
		last = key["kid"].(string)
	}
	var ids []string
	for next := c.base + "/keys/k/versions?api-version=7.5"; next != ""; {
		answer := c.must(t, c.request(t, http.MethodGet, next, nil, http.Header{"Authorization": {"Bearer " + c.token}}))
		reply := decodeJSON(t, answer.body)
		for _, item := range reply["value"].([]any) {
			ids = append(ids, item.(map[string]any)["kid"].(string))
		}
		next, _ = reply["nextLink"].(string)
	}
	if len(ids) != 30 || !slices.IsSorted(ids) || !slices.Contains(ids, last) {
		t.Errorf("versions %v", ids)
	}
	_, reply := c.call(t, http.MethodGet, "/keys/k/", nil)
	if kid := reply["key"].(map[string]any)["kid"]; kid != last {
		t.Errorf("the current version is %v, not %s", kid, last)
	}
}

// TestSoftDelete: a deleted name is taken until it is recovered or purged.
func TestSoftDelete(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	for i, step := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/keys/k/create", 200},
		{"DELETE", "/keys/k", 200},
		{"GET", "/keys/k", 404},
		{"POST", "/keys/k/sign", 404},
		{"POST", "/keys/k/create", 409},
		{"DELETE", "/keys/k", 404},
		{"GET", "/deletedkeys/k", 200},
		{"POST", "/deletedkeys/k/recover", 200},
		{"GET", "/keys/k", 200},
		{"GET", "/deletedkeys/k", 404},
		{"DELETE", "/keys/k", 200},
		{"DELETE", "/deletedkeys/k", 204},
		{"GET", "/deletedkeys/k", 404},
		{"POST", "/deletedkeys/k/recover", 404},
		{"POST", "/keys/k/create", 200},
	} {
		var body any
		if step.method == http.MethodPost {
			body = createBody
		}
		status, reply := c.call(t, step.method, step.path, body)
		if status != step.status {
			t.Fatalf("step %d, %s %s: %d %v", i, step.method, step.path, status, reply)
		}
		if code, inner := errorCodes(reply); status == http.StatusConflict && (code != "Conflict" || inner != "ObjectIsDeletedButRecoverable") {
			t.Errorf("step %d: %v", i, reply)
		}
	}
	if _, reply := c.call(t, http.MethodGet, "/deletedkeys", nil); len(reply["value"].([]any)) != 0 {
		t.Errorf("deleted keys: %v", reply)
	}
}

// TestRotationPolicy: a key has one from the start; rotation takes the expiry from it.
func TestRotationPolicy(t *testing.T) {
	s := start(t, emulator.Options{})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	client := azClient(t, s, "dev")
	ctx := t.Context()
	policy, err := client.GetKeyRotationPolicy(ctx, "k", nil)
	if err != nil || len(policy.LifetimeActions) != 1 || *policy.LifetimeActions[0].Action.Type != azkeys.KeyRotationPolicyActionNotify {
		t.Fatalf("%v %v", policy, err)
	}
	expiry, after, rotate := "P1Y", "P90D", azkeys.KeyRotationPolicyActionRotate
	set, err := client.UpdateKeyRotationPolicy(ctx, "k", azkeys.KeyRotationPolicy{
		Attributes: &azkeys.KeyRotationPolicyAttributes{ExpiryTime: &expiry},
		LifetimeActions: []*azkeys.LifetimeAction{{
			Trigger: &azkeys.LifetimeActionTrigger{TimeAfterCreate: &after}, Action: &azkeys.LifetimeActionType{Type: &rotate},
		}},
	}, nil)
	if err != nil || *set.Attributes.ExpiryTime != expiry || *set.LifetimeActions[0].Trigger.TimeAfterCreate != after {
		t.Fatalf("%v %v", set, err)
	}
	rotated, err := client.RotateKey(ctx, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	if exp := rotated.Attributes.Expires; exp == nil || exp.Before(time.Now().AddDate(0, 11, 0)) {
		t.Errorf("the rotated key expires %v", exp)
	}
}

// TestHeaders: what recordings of the services have and do not have.
func TestHeaders(t *testing.T) {
	s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "dev"}, {Name: "hsm", Flavor: emulator.ManagedHSM}}})
	for vault, absent := range map[string][]string{
		"dev": {"x-ms-server-latency"},
		"hsm": {"Date", "x-ms-keyvault-service-version", "x-ms-keyvault-rbac-assignment-id"},
	} {
		for _, http2 := range []bool{false, true} {
			c := newRaw(t, s, vault, http2)
			answer := c.must(t, c.vaultRequest(t, http.MethodGet, "/keys", nil))
			for _, name := range []string{
				"Date", "x-ms-server-latency", "x-ms-keyvault-service-version", "x-ms-keyvault-rbac-assignment-id", "x-ms-request-id",
				"x-ms-keyvault-region", "x-ms-keyvault-network-info", "Strict-Transport-Security", "Cache-Control", "Pragma", "Expires",
			} {
				if present := answer.header.Get(name) != ""; present == slices.Contains(absent, name) {
					t.Errorf("%s, HTTP/2 %t: %s is %q", vault, http2, name, answer.header.Get(name))
				}
			}
		}
	}
}

// TestCurveTrap: EC without a curve is P-256, which is no Ethereum key.
func TestCurveTrap(t *testing.T) {
	s := start(t, emulator.Options{})
	_, reply := newRaw(t, s, "dev", true).call(t, http.MethodPost, "/keys/k/create", map[string]any{"kty": "EC"})
	if crv := reply["key"].(map[string]any)["crv"]; crv != "P-256" {
		t.Errorf("the curve is %v", crv)
	}
}

// TestHosts: every cloud's names lead to the vault, with its own authority and
// audience; other names lead nowhere.
func TestHosts(t *testing.T) {
	s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "vlt"}, {Name: "hsm", Flavor: emulator.ManagedHSM}}})
	c := newRaw(t, s, "vlt", true)
	for host, challenge := range map[string]string{
		"VLT.vault.azure.net":          `Bearer authorization="https://login.microsoftonline.com/%s", resource="https://vault.azure.net"`,
		"vlt.vault.azure.cn":           `Bearer authorization="https://login.chinacloudapi.cn/%s", resource="https://vault.azure.cn"`,
		"vlt.vault.usgovcloudapi.net":  `Bearer authorization="https://login.microsoftonline.us/%s", resource="https://vault.usgovcloudapi.net"`,
		"hsm.managedhsm.azure.net":     `Bearer authorization="https://login.microsoftonline.com/%s", resource="https://managedhsm.azure.net"`,
		"hsm.managedhsm.azure.cn":      `Bearer authorization="https://login.chinacloudapi.cn/%s", resource="https://managedhsm.azure.cn"`,
		"vlt.managedhsm.azure.net":     "",
		"hsm.vault.azure.net":          "",
		"other.vault.azure.net":        "",
		"a.vlt.vault.azure.net":        "",
		"other.localhost":              "",
		"login.microsoftonline.com":    "",
		"hsm.localhost:8443":           `Bearer authorization="https://localhost:8443/%s", resource="https://localhost:8443"`,
		s.Addr():                       `Bearer authorization="https://` + s.Addr() + `/%s", resource="https://vault.azure.net"`,
		"vlt.vault.azure.net.evil.org": "",
	} {
		req := c.request(t, http.MethodGet, "https://"+s.Addr()+"/keys?api-version=7.5", nil, nil)
		req.Host = host
		answer := c.must(t, req)
		want := ""
		if challenge != "" {
			want = fmt.Sprintf(challenge, s.TenantID())
		}
		if got := answer.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: %d, challenge %q", host, answer.status, got)
		}
	}
}

// TestPrivateKeysStayInside: no answer has a private member.
func TestPrivateKeysStayInside(t *testing.T) {
	s := start(t, emulator.Options{})
	c := newRaw(t, s, "dev", true)
	for _, kty := range []string{"EC", "RSA"} {
		answer := c.must(t, c.vaultRequest(t, http.MethodPost, "/keys/k/create", map[string]any{"kty": kty}))
		for _, member := range []string{`"d":`, `"p":`, `"q":`, `"dp":`, `"dq":`, `"qi":`} {
			if bytes.Contains(answer.body, []byte(member)) {
				t.Errorf("%s: %s in %s", kty, member, answer.body)
			}
		}
	}
}
