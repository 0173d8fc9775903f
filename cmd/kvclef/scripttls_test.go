package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"regexp"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kvclef/kvclef/extapi/tlstest"
)

// authorities is what stories have made, by name.
type authorities map[string]*tlstest.CA

func (a authorities) get(ts *testscript.TestScript, name string) *tlstest.CA {
	if a[name] == nil {
		ca, err := tlstest.NewCA(name)
		ts.Check(err)
		a[name] = ca
	}
	return a[name]
}

// cmdIssue writes NAME.crt and NAME.key, of a server on this machine or of a client
// with that DNS name, and the authority's certificate to AUTHORITY.pem:
// issue AUTHORITY server|client NAME.
func cmdIssue(ts *testscript.TestScript, _ bool, args []string) {
	known, _ := ts.Value("authorities").(authorities)
	ca := known.get(ts, args[0])
	issue := func() (tlstest.Pair, error) { return ca.Client(args[2]) }
	if args[1] == "server" {
		issue = ca.Server
	}
	pair, err := issue()
	ts.Check(err)
	for name, text := range map[string][]byte{args[0] + ".pem": ca.PEM, args[2] + ".crt": pair.Cert, args[2] + ".key": pair.Key} {
		ts.Check(os.WriteFile(ts.MkAbs(name), text, 0o600))
	}
}

// cmdTurnedAway asks once over HTTPS, and must get no answer but an error:
// turnedaway ENDPOINT EXPRESSION.
func cmdTurnedAway(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	client, err := dialHTTPS(ctx, ts, args[0])
	ts.Check(err)
	defer client.Close()
	var version string
	if err = client.CallContext(ctx, &version, "account_version"); err == nil {
		ts.Fatalf("answered %s", version)
	}
	if !regexp.MustCompile(args[1]).MatchString(err.Error()) {
		ts.Fatalf("got %v, want %s", err, args[1])
	}
}

// dialHTTPS trusts the authority in the file $TLS_CA, and shows the certificate in
// the files $TLS_CLIENT.crt and .key if that is set.
func dialHTTPS(ctx context.Context, ts *testscript.TestScript, endpoint string) (*rpc.Client, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile(ts.Getenv("TLS_CA"))))
	cfg := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if name := ts.Getenv("TLS_CLIENT"); name != "" {
		pair, err := tlstest.Pair{Cert: []byte(ts.ReadFile(name + ".crt")), Key: []byte(ts.ReadFile(name + ".key"))}.Load()
		ts.Check(err)
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	return rpc.DialOptions(ctx, endpoint, append(withToken(ts), rpc.WithHTTPClient(&http.Client{Transport: transport}))...)
}
