package facts

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// signIn is the first example of EIP-4361, with an address that has its checksum.
const signIn = `https://example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Expiration Time: 2021-10-30T16:25:24.5+02:00
Not Before: 2021-09-30T16:25:24Z
Request ID: some-id%20
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json`

func TestSIWE(t *testing.T) {
	m := parseSIWE(signIn)
	if m == nil {
		t.Fatal("it is one")
	}
	if m.Scheme != "https" || m.Domain != "example.com" || m.ChainID != 1 || m.Nonce != "32891756" || m.URI != "https://example.com/login" ||
		m.Statement != "I accept the ExampleOrg Terms of Service: https://example.com/tos" || len(m.Resources) != 2 || m.RequestID != "some-id%20" ||
		!m.ExpirationTime.Equal(time.Date(2021, 10, 30, 14, 25, 24, 5e8, time.UTC)) || m.NotBefore == nil || m.Version != "1" {
		t.Errorf("got %+v", m)
	}
	without := func(text string, lines ...string) string {
		for _, line := range lines {
			text = strings.Replace(text, line, "", 1)
		}
		return text
	}
	short := without(signIn, "https://", "I accept the ExampleOrg Terms of Service: https://example.com/tos\n", "Expiration Time: 2021-10-30T16:25:24.5+02:00\n",
		"Not Before: 2021-09-30T16:25:24Z\n", "Request ID: some-id%20\n")
	short, _, _ = strings.Cut(short, "\nResources:")
	if m := parseSIWE(short); m == nil || m.Statement != "" || m.ExpirationTime != nil || m.Resources != nil || m.Scheme != "" {
		t.Errorf("the shortest: %+v", m)
	}
	if parseSIWE(short+"\nResources:") == nil {
		t.Error("an empty list of resources is one")
	}
	for _, domain := range []string{"example.com:8443", "user@example.com", "localhost", "[::1]:80", "ex%20ample.com"} {
		if m := parseSIWE(strings.Replace(signIn, "example.com wants", domain+" wants", 1)); m == nil || m.Domain != domain {
			t.Errorf("%s: %+v", domain, m)
		}
	}
	if m := parseSIWE(signIn + strings.Repeat("\n- https://example.com/", maxResources-2)); m == nil || len(m.Resources) != maxResources {
		t.Errorf("as many resources as may be: %+v", m)
	}
	for _, name := range []string{"URI: ", "Version: ", "Chain ID: ", "Nonce: ", "Issued At: ", "Expiration Time: ", "Not Before: ", "Request ID: ", "- "} {
		if m := parseSIWE(strings.Replace(signIn, "\n"+name, "\n", 1)); m != nil {
			t.Errorf("without the name %q: %+v", name, m)
		}
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"trailing line":         signIn + "\n",
		"another version":       strings.Replace(signIn, "Version: 1", "Version: 2", 1),
		"no checksum":           strings.Replace(signIn, "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", 1),
		"short nonce":           strings.Replace(signIn, "32891756", "3289175", 1),
		"no blank line":         strings.Replace(signIn, "Cc2\n\n", "Cc2\n", 1),
		"statement of 2 lines":  strings.Replace(signIn, "Service:", "Service:\n", 1),
		"control character":     strings.Replace(signIn, "Terms", "T\x1brms", 1),
		"carriage returns":      strings.ReplaceAll(signIn, "\n", "\r\n"),
		"two domains":           strings.Replace(signIn, "example.com wants", "example.com evil.com wants", 1),
		"domain with a path":    strings.Replace(signIn, "example.com wants", "example.com/evil wants", 1),
		"no time":               strings.Replace(signIn, "2021-09-30T16:25:24Z", "2021-09-30", 1),
		"time with a comma":     strings.Replace(signIn, "24.5+02:00", "24,5+02:00", 1),
		"hour of one digit":     strings.Replace(signIn, "T16:25:24Z", "T6:25:24Z", 1),
		"offset beyond a day":   strings.Replace(signIn, "+02:00", "+24:00", 1),
		"percent in a domain":   strings.Replace(signIn, "example.com wants", "ex%ample.com wants", 1),
		"no IPv6 address":       strings.Replace(signIn, "example.com wants", "[::1::] wants", 1),
		"negative chain":        strings.Replace(signIn, "Chain ID: 1", "Chain ID: -1", 1),
		"chain with a zero":     strings.Replace(signIn, "Chain ID: 1", "Chain ID: 01", 1),
		"members in disorder":   strings.Replace(strings.Replace(signIn, "Version: 1\n", "", 1), "Nonce:", "Version: 1\nNonce:", 1),
		"member twice":          strings.Replace(signIn, "Chain ID: 1\n", "Chain ID: 1\nChain ID: 1\n", 1),
		"relative URI":          strings.Replace(signIn, "URI: https://example.com/login", "URI: /login", 1),
		"no request to sign in": strings.Replace(signIn, " wants you to sign in with your Ethereum account:", "", 1),
		"another request":       strings.Replace(signIn, "Ethereum account:", "Ethereum account.", 1),
		"scheme with a blank":   strings.Replace(signIn, "https://example.com wants", "ht tps://example.com wants", 1),
		"IPv4 in brackets":      strings.Replace(signIn, "example.com wants", "[127.0.0.1] wants", 1),
		"no URI":                strings.Replace(signIn, "https://example.com/login", "https://[example.com", 1),
		"chain beyond 64 bits":  strings.Replace(signIn, "Chain ID: 1", "Chain ID: 18446744073709551617", 1),
		"no day":                strings.Replace(signIn, "2021-10-30T", "2021-13-30T", 1),
		"one resource too many": signIn + strings.Repeat("\n- https://example.com/", maxResources-1),
		"many resources":        signIn + strings.Repeat("\n- https://example.com/", maxResources),
		"too long":              strings.Replace(signIn, "I accept", strings.Repeat("a", maxSIWE), 1),
	} {
		if m := parseSIWE(text); m != nil {
			t.Errorf("%s: taken for one: %+v", name, m)
		}
	}
}

// TestText: the text is what the prefix and the length leave.
func TestText(t *testing.T) {
	for _, text := range []string{"", "a", "9", "10", "123456789", strings.Repeat("1", 99), strings.Repeat("1", 100), signIn} {
		req := &rules.Request{Kind: rules.KindText, Preimage: fmt.Appendf(nil, "%s%d%s", textPrefix, len(text), text)}
		got := Of(req, noon()).Text
		if got == nil || string(got.Bytes) != text || (got.SIWE != nil) != (text == signIn) {
			t.Errorf("%.20q: got %+v", text, got)
		}
	}
	for _, preimage := range []string{"\x19Ethereum Signed Message:\n5four", "4four", "\x19Ethereum signed message:\n4four", ""} {
		if got := textOf(&rules.Request{Kind: rules.KindText, Preimage: []byte(preimage)}); got != nil {
			t.Errorf("%q: %+v", preimage, got)
		}
	}
}

// FuzzSIWE: what is taken for a message has no second reading.
func FuzzSIWE(f *testing.F) {
	f.Add(signIn)
	f.Fuzz(func(t *testing.T, text string) {
		m := parseSIWE(text)
		if m == nil {
			return
		}
		lines := strings.Split(text, "\n")
		if !strings.Contains(lines[0], m.Domain) || strings.ContainsAny(m.Domain, " \t/") || lines[1] != m.Address.Hex() {
			t.Fatalf("%q: %+v", text, m)
		}
		if again := parseSIWE(text); !reflect.DeepEqual(m, again) {
			t.Fatal("two readings")
		}
	})
}
