package extapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

const listCall = `{"jsonrpc":"2.0","id":1,"method":"account_list","principal":"local"}`

// TestTLSCallersAreWhoTheirCertificatesName: what is decided on is the name in
// the certificate, and nothing that a caller says.
func TestTLSCallersAreWhoTheirCertificatesName(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	p := newPremises(t)
	server := p.open(account, ServerConfig{})
	spiffe := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/ns/op/sa/batcher"}
	for name, tt := range map[string]struct {
		cert x509.Certificate
		want string
	}{
		"DNS":          {x509.Certificate{DNSNames: []string{"op-batcher.example", "second.example"}}, "op-batcher.example"},
		"capitals":     {x509.Certificate{DNSNames: []string{"OP-Batcher.Example"}}, "op-batcher.example"},
		"DNS and URI":  {x509.Certificate{DNSNames: []string{"a.example"}, URIs: []*url.URL{spiffe}, Subject: pkix.Name{CommonName: "c"}}, "a.example"},
		"URI":          {x509.Certificate{URIs: []*url.URL{spiffe}, Subject: pkix.Name{CommonName: "c"}}, "spiffe://example.org/ns/op/sa/batcher"},
		"common name":  {x509.Certificate{Subject: pkix.Name{CommonName: "Op Batcher 1", Organization: []string{"local"}}}, "Op Batcher 1"},
		"almost local": {x509.Certificate{DNSNames: []string{"local.example"}}, "local.example"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, state, err := p.caller(server, p.client(tt.cert)).call(listCall)
			if err != nil || status != 200 || !strings.Contains(body, `"result"`) {
				t.Fatalf("got %d %s, %v", status, body, err)
			}
			req := decider.last(t)
			if req.Principal != tt.want || req.Caller.Transport != "http" || req.Caller.Local != server.HTTPAddr() || !strings.HasPrefix(req.Caller.Remote, "127.0.0.1:") {
				t.Errorf("%q asks, from %+v", req.Principal, req.Caller)
			}
			if state.Version != tls.VersionTLS13 || state.NegotiatedProtocol == "h2" {
				t.Errorf("%s %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
			}
		})
	}
}

// TestTLSNamesThatAreNone refuses certificates that are valid and name nobody, or
// somebody that they can't.
func TestTLSNamesThatAreNone(t *testing.T) {
	receiver := newProbe()
	p := newPremises(t)
	server := p.open(receiver, ServerConfig{})
	const characters = "characters that a name can't have"
	for name, tt := range map[string]struct {
		cert x509.Certificate
		want string
	}{
		"no name":            {x509.Certificate{}, "names nobody"},
		"organisation":       {x509.Certificate{Subject: pkix.Name{Organization: []string{"Example"}}}, "names nobody"},
		"local":              {x509.Certificate{DNSNames: []string{"local"}}, `"local", which no caller can prove to have`},
		"LOCAL":              {x509.Certificate{DNSNames: []string{"LoCaL"}}, `"local", which no caller can prove to have`},
		"anonymous":          {x509.Certificate{Subject: pkix.Name{CommonName: "Anonymous"}}, `"anonymous", which no caller can prove to have`},
		"URI local":          {x509.Certificate{URIs: []*url.URL{{Path: "local"}}}, `"local", which no caller can prove to have`},
		"long s":             {x509.Certificate{Subject: pkix.Name{CommonName: "anonymouſ"}}, "which no caller can prove to have"},
		"first is no good":   {x509.Certificate{DNSNames: []string{"local", "good.example"}, Subject: pkix.Name{CommonName: "good"}}, `"local"`},
		"line feed":          {x509.Certificate{DNSNames: []string{"a\nb"}}, characters},
		"zero byte":          {x509.Certificate{Subject: pkix.Name{CommonName: "a\x00b"}}, characters},
		"right to left":      {x509.Certificate{Subject: pkix.Name{CommonName: "a\u202eb"}}, characters},
		"nothing to be seen": {x509.Certificate{Subject: pkix.Name{CommonName: "local\u200b"}}, characters},
		"space at an end":    {x509.Certificate{Subject: pkix.Name{CommonName: "local "}}, characters},
		"space alone":        {x509.Certificate{DNSNames: []string{" "}}, characters},
		"too long":           {x509.Certificate{DNSNames: []string{strings.Repeat("a", maxPrincipal+1)}}, "more than 255 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _, err := p.caller(server, p.client(tt.cert)).call(versionCall)
			if err != nil || status != 403 || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, %v, want %s", status, body, err, tt.want)
			}
		})
	}
	if calls := receiver.calls.Load(); calls != 0 {
		t.Errorf("%d calls ran", calls)
	}
}

// TestTLSStrangersAreNotHeard: without a certificate that a known authority signed
// for a client, and that is valid now, there is no connection.
func TestTLSStrangersAreNotHeard(t *testing.T) {
	receiver, said := newProbe(), new(journal)
	p := newPremises(t)
	server := p.open(receiver, ServerConfig{Logger: said.logger()})
	named := x509.Certificate{DNSNames: []string{"op-batcher.example"}}
	expired, early, forServers := named, named, named
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Second)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	forServers.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for name, tt := range map[string]struct {
		certs []tls.Certificate
		want  string
	}{
		"no certificate":     {nil, "certificate required"},
		"other authority":    {[]tls.Certificate{issued(t, authority(t), named)}, "unknown certificate authority"},
		"expired":            {[]tls.Certificate{p.client(expired)}, "expired certificate"},
		"not valid yet":      {[]tls.Certificate{p.client(early)}, "expired certificate"},
		"a server's":         {[]tls.Certificate{p.client(forServers)}, "bad certificate"},
		"the server's own":   {[]tls.Certificate{issued(t, p.servers, named)}, "unknown certificate authority"},
		"signed by a client": {[]tls.Certificate{signedByClient(t, p.client(named))}, "unknown certificate authority"},
	} {
		t.Run(name, func(t *testing.T) {
			client := p.caller(server, tt.certs...)
			client.t = t
			client.refused(tt.want)
		})
	}
	if calls := receiver.calls.Load(); calls != 0 {
		t.Errorf("%d calls ran", calls)
	}
	if said.count(`what="TLS handshake"`) == 0 {
		t.Error("the log has no word of it")
	}
	p.caller(server, p.client(named)).served()
}

// signedByClient returns a certificate that a client has signed, with its own.
func signedByClient(t *testing.T, client tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"treasury.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, client.Leaf, key.Public(), client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, client.Certificate[0]}, PrivateKey: key}
}

// TestTLSWithoutClientCertificates encrypts, and everybody is anonymous, whatever
// certificate they have.
func TestTLSWithoutClientCertificates(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	p := newPremises(t)
	p.cfg.ClientCAFile = ""
	server := p.open(account, ServerConfig{})
	for _, certs := range [][]tls.Certificate{nil, {p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}})}} {
		if status, body, _, err := p.caller(server, certs...).call(listCall); err != nil || status != 200 {
			t.Fatalf("got %d %s, %v", status, body, err)
		}
		if req := decider.last(t); req.Principal != "anonymous" || req.Caller.Transport != "http" {
			t.Errorf("%q asks, from %+v", req.Principal, req.Caller)
		}
	}
}

// TestTLSVersions: 1.3 unless 1.2 was asked for, and never an older one.
func TestTLSVersions(t *testing.T) {
	for name, tt := range map[string]struct {
		oldest, spoken uint16
		want           string
	}{
		"1.3 alone":   {0, tls.VersionTLS12, "protocol version not supported"},
		"1.3 said":    {tls.VersionTLS13, tls.VersionTLS12, "protocol version not supported"},
		"1.2 allowed": {tls.VersionTLS12, tls.VersionTLS12, ""},
		"1.1 never":   {tls.VersionTLS12, tls.VersionTLS11, "protocol version not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPremises(t)
			p.cfg.MinVersion = tt.oldest
			server := p.open(newProbe(), ServerConfig{})
			client := p.caller(server, p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}}))
			client.transport.TLSClientConfig.MinVersion = tls.VersionTLS10
			client.transport.TLSClientConfig.MaxVersion = tt.spoken
			if tt.want != "" {
				client.refused(tt.want)
			} else if state := client.served(); state.Version != tt.spoken {
				t.Errorf("spoke %s", tls.VersionName(state.Version))
			}
		})
	}
}

// TestTLSInClear tells a caller without TLS what is the matter.
func TestTLSInClear(t *testing.T) {
	receiver := newProbe()
	client := dialHTTP(t, newPremises(t).open(receiver, ServerConfig{}))
	client.post("", versionCall)
	if status, body := client.answer(); status != 400 || !strings.Contains(body, "HTTP request to an HTTPS server") {
		t.Errorf("got %d %s", status, body)
	}
	client.closed()
	if calls := receiver.calls.Load(); calls != 0 {
		t.Errorf("%d calls ran", calls)
	}
}

// TestTLSCertificateName fits what the audit log keeps of a name.
func TestTLSCertificateName(t *testing.T) {
	for _, name := range []string{"a", "Ä ö", strings.Repeat("a", maxPrincipal), strings.Repeat("é", maxPrincipal/2)} {
		got, err := certificateName(&x509.Certificate{Subject: pkix.Name{CommonName: name}}, NameFirst)
		if err != nil || got != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if _, err := certificateName(&x509.Certificate{DNSNames: []string{""}, Subject: pkix.Name{CommonName: "good"}}, NameFirst); err == nil {
		t.Error("an empty DNS name is passed over")
	}
	if _, err := certificateName(&x509.Certificate{Subject: pkix.Name{CommonName: "a\xff"}}, NameFirst); err == nil {
		t.Error("a name is taken that is no text")
	}
}

// FuzzCertificateName: a name that is taken is plain text, short, and not a name of
// those whom nothing proves.
func FuzzCertificateName(f *testing.F) {
	for _, name := range []string{"", "op-batcher.example", "LOCAL", "a\x00", "anonymou\u017f", " x"} {
		f.Add(name, true)
		f.Add(name, false)
	}
	f.Fuzz(func(t *testing.T, text string, dns bool) {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: text}}
		if dns {
			cert.DNSNames = []string{text}
		}
		name, err := certificateName(cert, NameFirst)
		if err != nil {
			if name != "" {
				t.Errorf("%q with an error", name)
			}
			return
		}
		for _, r := range name {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %q", name, r)
			}
		}
		if name == "" || len(name) > 255 || !utf8.ValidString(name) || slices.Contains([]string{"local", "anonymous"}, strings.ToLower(name)) {
			t.Errorf("%q is taken", name)
		}
	})
}
