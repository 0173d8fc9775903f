package main

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

// cmdIssuer starts an issuer of tokens with a key called first. $ISSUER is its URL, and
// $SSL_CERT_FILE has its authority: issuer.
func cmdIssuer(ts *testscript.TestScript, _ bool, _ []string) {
	issuer, err := issuertest.New("first")
	ts.Check(err)
	ts.Defer(issuer.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("issuer.pem"), authority, 0o600))
	ts.Setenv("ISSUER", issuer.URL)
	ts.Setenv("SSL_CERT_FILE", ts.MkAbs("issuer.pem"))
	issuers, _ := ts.Value("issuers").(map[string]*issuertest.Issuer)
	issuers[issuer.URL] = issuer
}

// cmdToken puts a token into $TOKEN, which calls then send: of the issuer, or signed
// with the secret in a file. It is issued now and ends in five minutes, unless the
// claims say otherwise: token issuer|FILE [CLAIMS].
func cmdToken(ts *testscript.TestScript, _ bool, args []string) {
	now := time.Now()
	claims := jwt.MapClaims{"iat": now.Unix()}
	signed := func() (string, error) {
		secret, err := hex.DecodeString(strings.TrimSpace(ts.ReadFile(args[0])))
		ts.Check(err)
		return issuertest.Sign(jwt.SigningMethodHS256, nil, claims, secret)
	}
	if args[0] == "issuer" {
		url := ts.Getenv("ISSUER")
		claims["iss"], claims["exp"] = url, now.Add(5*time.Minute).Unix()
		issuers, _ := ts.Value("issuers").(map[string]*issuertest.Issuer)
		signed = func() (string, error) { return issuers[url].Sign("first", claims) }
	}
	if len(args) > 1 {
		ts.Check(json.Unmarshal([]byte(args[1]), &claims))
	}
	token, err := signed()
	ts.Check(err)
	ts.Setenv("TOKEN", token)
}

// withToken sends $TOKEN, if it is set.
func withToken(ts *testscript.TestScript) []rpc.ClientOption {
	token := ts.Getenv("TOKEN")
	if token == "" {
		return nil
	}
	return []rpc.ClientOption{rpc.WithHeader("Authorization", "Bearer "+token)}
}
