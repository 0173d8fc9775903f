package extapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// cards takes a token for the name of its sender; "bad" is none.
type cards struct{ ends time.Time }

var errBadCard = errors.New("the token was found in the street")

func (c cards) Identify(_ context.Context, header http.Header) (string, time.Time, error) {
	name, found := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !found || name == "bad" {
		return "", time.Time{}, errBadCard
	}
	return name, c.ends, nil
}

// TestTokensNameCallers: a token over HTTP, and no other header. Why one is refused is
// for the log.
func TestTokensNameCallers(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	log := new(journal)
	server := listeners(t, account, ServerConfig{Tokens: cards{}, Logger: log.logger()})
	const call = `{"jsonrpc":"2.0","id":1,"method":"account_list"}`
	const lies = "X-Principal: root\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-User: root\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=root;by=root\r\n" +
		"X-Remote-User: root\r\nX-Client-Cert: root\r\nX-MS-CLIENT-PRINCIPAL-NAME: root\r\nCookie: token=root\r\n"
	web := dialHTTP(t, server)
	web.post(lies+"Authorization: Bearer batcher\r\n", call)
	if _, text := web.answer(); !strings.Contains(text, `"result"`) || decider.last(t).Principal != "batcher" || !strings.HasPrefix(decider.last(t).Caller.Remote, "127.0.0.1:") {
		t.Errorf("%s, %q asks", text, decider.last(t).Principal)
	}
	for header, challenge := range map[string]string{
		lies:                                `Bearer realm="kvclef"`,
		"Authorization: Bearer bad\r\n":     `Bearer realm="kvclef", error="invalid_token"`,
		"Authorization: Basic cm9vdDo=\r\n": `Bearer realm="kvclef", error="invalid_token"`,
		"Authorization: Bearer local\r\n":   `Bearer realm="kvclef", error="invalid_token"`,
		"Authorization: Bearer uid:0\r\n":   `Bearer realm="kvclef", error="invalid_token"`,
		"Authorization: Bearer " + strings.Repeat("a", maxPrincipal+1) + "\r\n": `Bearer realm="kvclef", error="invalid_token"`,
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(call))
		for line := range strings.SplitSeq(strings.TrimSuffix(header, "\r\n"), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			request.Header.Add(name, value)
		}
		answer := httptest.NewRecorder()
		newHTTPHandler(server.cfg, server.rpc, server.callers, server.refused).ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized || answer.Body.String() != "invalid token\n" || answer.Header().Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: %d %s %v", clip(header), answer.Code, answer.Body, answer.Header())
		}
	}
	if log.count("found in the street") == 0 || log.count("root") != 0 {
		t.Error("the log does not say why, or what headers said")
	}
}

// TestCertificateAndToken: where both are asked for, both are needed.
func TestCertificateAndToken(t *testing.T) {
	p := newPremises(t)
	keeper, err := NewTLSKeeper(p.cfg, new(journal).logger())
	if err != nil {
		t.Fatal(err)
	}
	callers := Callers{TLS: keeper, Tokens: cards{}}
	cert := p.client(x509.Certificate{DNSNames: []string{"gate.example"}})
	connected := connectedWith(t, keeper, cert.Leaf)
	if _, err := callers.Identify(connected); !errors.Is(err, errBadCard) {
		t.Errorf("without a token: %v", err)
	}
	connected.Header = http.Header{"Authorization": {"Bearer batcher"}}
	if who, err := callers.Identify(connected); err != nil || who.Principal != "batcher" {
		t.Errorf("%+v, %v", who, err)
	}
	bare := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	bare.Header.Set("Authorization", "Bearer batcher")
	if who, err := callers.Identify(bare); err == nil {
		t.Errorf("without a certificate: %+v", who)
	}
}

// TestStill: who opened a connection keeps it as long as the proof holds.
func TestStill(t *testing.T) {
	end := time.Unix(1000, 0)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	callers := Callers{Tokens: cards{}}
	who := Identity{"batcher", end}
	if err := callers.Still(request, who, end.Add(-1)); err != nil {
		t.Error(err)
	}
	if err := callers.Still(request, who, end); err == nil {
		t.Error("the token has expired, and counts")
	}
	if err := callers.Still(request, Identity{Principal: "batcher"}, end); err != nil {
		t.Error(err)
	}
	if err := (Callers{}).Still(request, Identity{Principal: "another"}, end); err == nil {
		t.Error("the connection is another caller's")
	}
}

// TestNameOfACertificate: the part that was chosen has the name, and no other.
func TestNameOfACertificate(t *testing.T) {
	uri := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/batcher"}
	all := x509.Certificate{
		DNSNames: []string{"Batcher.Example", "second.example"}, URIs: []*url.URL{uri}, EmailAddresses: []string{"batcher@example.com"},
		Subject: pkix.Name{CommonName: "batcher", Organization: []string{"Example, Inc."}},
	}
	var err error
	if all.RawSubject, err = asn1.Marshal(all.Subject.ToRDNSequence()); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[CallerName]string{
		NameFirst: "batcher.example", NameDNS: "batcher.example", NameURI: "spiffe://example.com/batcher", NameEmail: "batcher@example.com",
		NameCommon: "batcher", NameSubject: `CN=batcher,O=Example\, Inc.`,
	} {
		if got, err := certificateName(&all, part); err != nil || got != want {
			t.Errorf("%q: %q, %v", part, got, err)
		}
		others := all
		switch part {
		case NameFirst, NameDNS:
			others.DNSNames = nil
		case NameURI:
			others.URIs = nil
		case NameEmail:
			others.EmailAddresses = nil
		case NameCommon, NameSubject:
			others.Subject, others.RawSubject = pkix.Name{}, nil
		}
		if got, err := certificateName(&others, part); part != NameFirst && err == nil {
			t.Errorf("%q: a certificate without it names %q", part, got)
		}
	}
	for name, cfg := range map[string]TLSConfig{
		"no such part":   {CertFile: "c", KeyFile: "k", ClientCAFile: "a", CallerName: "serial"},
		"no authorities": {CertFile: "c", KeyFile: "k", CallerName: NameDNS},
	} {
		if err := cfg.check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestOneCallerForEachSubject: the name of a subject shows all of it, in its order, and stays
// what it was for those in the order that authorities use; one of several common names is nobody's.
func TestOneCallerForEachSubject(t *testing.T) {
	attribute := func(last int, value string) []pkix.AttributeTypeAndValue {
		return []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}}
	}
	country, state, town, company := attribute(6, "DE"), attribute(8, "Bavaria"), attribute(7, "Munich"), attribute(10, "Example, Inc.")
	batcher, mallory := attribute(3, "batcher"), attribute(3, "mallory")
	const mixed = "not clear whom it names"
	seen := make(map[string]string)
	for name, c := range map[string]struct {
		subject  pkix.RDNSequence
		written  string
		ordinary bool // as a pkix.Name writes it
		refused  bool // as a common name
	}{
		"of Go":              {pkix.RDNSequence{country, company, batcher}, `CN=batcher,O=Example\, Inc.,C=DE`, true, false},
		"of OpenSSL":         {pkix.RDNSequence{country, state, town, company, batcher}, `CN=batcher,O=Example\, Inc.,L=Munich,ST=Bavaria,C=DE`, true, false},
		"with a unit":        {pkix.RDNSequence{company, attribute(11, "ops"), batcher, attribute(5, "17")}, `SERIALNUMBER=17,CN=batcher,OU=ops,O=Example\, Inc.`, true, false},
		"several units":      {pkix.RDNSequence{attribute(11, "servers"), attribute(11, "production"), batcher}, "CN=batcher,OU=production,OU=servers", false, false},
		"units in one":       {pkix.RDNSequence{slices.Concat(attribute(11, "servers"), attribute(11, "production")), batcher}, "CN=batcher,OU=servers+OU=production", true, false},
		"other order":        {pkix.RDNSequence{batcher, company, country}, `C=DE,O=Example\, Inc.,CN=batcher`, false, false},
		"two names":          {pkix.RDNSequence{mallory, company, country, batcher}, `CN=batcher,C=DE,O=Example\, Inc.,CN=mallory`, false, true},
		"two names in one":   {pkix.RDNSequence{country, company, slices.Concat(mallory, batcher)}, `CN=batcher+CN=mallory,O=Example\, Inc.,C=DE`, false, true},
		"the same twice":     {pkix.RDNSequence{batcher, batcher}, "CN=batcher,CN=batcher", false, true},
		"two serial numbers": {pkix.RDNSequence{batcher, attribute(5, "17"), attribute(5, "18")}, "SERIALNUMBER=18,SERIALNUMBER=17,CN=batcher", false, false},
	} {
		raw, err := asn1.Marshal(c.subject)
		if err != nil {
			t.Fatal(err)
		}
		cert := reparsed(t, raw)
		got, err := certificateName(cert, NameSubject)
		if err != nil || got != c.written || c.ordinary != (got == cert.Subject.String()) || seen[got] != "" {
			t.Errorf("%s: %q, %v, want %q; it is also that of %q, and was %q", name, got, err, c.written, seen[got], cert.Subject)
		}
		seen[got] = name
		for _, part := range []CallerName{NameCommon, NameFirst} {
			got, err := certificateName(cert, part)
			if c.refused && (err == nil || !strings.Contains(err.Error(), mixed)) || !c.refused && (err != nil || got != "batcher") {
				t.Errorf("%s, %q: %q, %v", name, part, got, err)
			}
		}
	}
}

// reparsed is a certificate with a subject, as a connection shows it.
func reparsed(t *testing.T, subject []byte) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: subject}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestReach: an address that others reach is encrypted, and knows who calls.
func TestReach(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:1", "[::]:1", ":1", "192.0.2.1:1", "example.com:1", "localhost.example.com:1", "[fe80::1%eth0]:1", "*:1", ""} {
		for _, encrypted := range []bool{false, true} {
			for _, named := range []bool{false, true} {
				if err := CheckReach("proxy", addr, encrypted, named); (err == nil) != (encrypted && named) {
					t.Errorf("%s, %v, %v: %v", addr, encrypted, named, err)
				}
			}
		}
	}
	for _, addr := range []string{"localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1"} {
		if err := CheckReach("proxy", addr, false, false); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if _, err := newServer(newProbe(), ServerConfig{HTTPAddr: "0.0.0.0:0", Tokens: cards{}}); err == nil || !strings.Contains(err.Error(), "in clear") {
		t.Errorf("tokens in clear: %v", err)
	}
	if _, err := newServer(newProbe(), ServerConfig{HTTPAddr: "0.0.0.0:0"}); err == nil {
		t.Error("everybody could call")
	}
}
