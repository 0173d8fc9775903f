package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"

	"github.com/kvclef/kvclef/cmd/kvclef/webhook"
)

// rereadPatience bounds what a file is waited for that is looked at every 30 seconds.
const rereadPatience = 90 * time.Second

var (
	firstSecret = strings.Repeat("a1", 32)
	nextSecret  = strings.Repeat("b2", 32)
)

// TestSecretsReplacedWhileItRuns replaces the secrets of two running signers: those that
// can be used count from then on, and those that can't leave the ones before in use.
func TestSecretsReplacedWhileItRuns(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	t.Run("by others", func(t *testing.T) { t.Parallel(); b.replacedByOthers(t) })
	t.Run("by what is none", func(t *testing.T) { t.Parallel(); b.replacedByNone(t) })
}

func (b *blackBox) replacedByOthers(t *testing.T) {
	r := startReloading(t, b)
	r.want(t, firstSecret, http.StatusOK)
	r.want(t, nextSecret, http.StatusUnauthorized)
	if by := r.signer(t); by != "hook one" {
		t.Errorf("a message by the secret %q", by)
	}
	r.replace(t, "jwt.hex", nextSecret, 0o600)
	r.replace(t, "hook.secret", "hook two", 0o600)
	r.until(t, "the new secret", func() bool { return r.status(t, nextSecret) == http.StatusOK })
	r.want(t, firstSecret, http.StatusUnauthorized)
	r.until(t, "the new secret of the webhook", func() bool { return r.signer(t) == "hook two" })
	r.until(t, "what the log has of it", func() bool { // a secret is used before the log is told of it
		return strings.Count(r.output.String(), "Secret read again") > 1
	})
	r.said(t, map[string]int{"Secret read again": 2, "not read again": 0})
}

func (b *blackBox) replacedByNone(t *testing.T) {
	r := startReloading(t, b)
	r.want(t, firstSecret, http.StatusOK)
	r.replace(t, "jwt.hex", nextSecret[1:], 0o600)
	r.replace(t, "hook.secret", "hook two", 0o644)
	r.until(t, "a look at the secret", func() bool {
		r.want(t, firstSecret, http.StatusOK)
		return strings.Contains(r.output.String(), "Secret not read again")
	})
	r.want(t, firstSecret, http.StatusOK)
	r.want(t, nextSecret, http.StatusUnauthorized)
	r.until(t, "a look at the secret of the webhook", func() bool {
		if by := r.signer(t); by != "hook one" {
			t.Errorf("a message by the secret %q", by)
		}
		return strings.Contains(r.output.String(), "has mode 0644")
	})
	r.said(t, map[string]int{"Secret not read again": 2, "is not 64 hexadecimal digits": 1, "has mode 0644": 1, "Secret read again": 0})
}

// reloading is a signer whose secrets are replaced.
type reloading struct {
	*blackBox
	url  string
	ipc  *rpc.Client
	told chan message

	every   time.Duration // from one try to the next
	tickets int           // that were opened
}

// message is what a webhook was told, and what it is signed with.
type message struct {
	signature string
	body      []byte
}

// startReloading starts a signer in a folder of its own.
func startReloading(t *testing.T, b *blackBox) *reloading {
	t.Helper()
	own := *b
	own.dir, own.output = t.TempDir(), new(lockedBuffer)
	r := &reloading{blackBox: &own, every: 500 * time.Millisecond, told: make(chan message, 10)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, asked *http.Request) {
		body, err := io.ReadAll(asked.Body)
		if err != nil {
			t.Error(err)
		}
		r.told <- message{asked.Header.Get("X-Kvclef-Signature"), body}
	}))
	t.Cleanup(receiver.Close)
	config := r.write(t, "kvclef.yaml", fmt.Sprintf(`
listeners: {http: {enabled: true, port: 0, jwt: {secret_file: %q}}}
approvals:
  people: {alice: {}}
  default: {of: [alice], wait: 0s}
  webhooks: [{url: %q, secret_file: %q, events: [opened]}]
`, r.write(t, "jwt.hex", firstSecret), receiver.URL, r.write(t, "hook.secret", "hook one")))
	ipc := filepath.Join(r.dir, "s.ipc")
	stop := r.start(t, ipc, nil, "dev", "--config", config, "--datadir", filepath.Join(r.dir, "data"))
	t.Cleanup(stop)
	var err error
	if r.ipc, err = rpc.DialContext(t.Context(), ipc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.ipc.Close)
	address := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+|http://localhost:[0-9]+`)
	r.until(t, "the address", func() bool {
		r.url = address.FindString(r.output.String())
		return r.url != ""
	})
	return r
}

// replace puts another file in the place of one, as whoever rotates secrets does.
func (r *reloading) replace(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	next := r.write(t, name+".next", text+"\n")
	if err := os.Chmod(next, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(r.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// status is what a caller is answered who has a secret.
func (r *reloading) status(t *testing.T, secret string) int {
	t.Helper()
	key, err := hex.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	status, _ := askedOf(ctx, t, http.MethodPost, r.url, token)
	return status
}

func (r *reloading) want(t *testing.T, secret string, status int) {
	t.Helper()
	if got := r.status(t, secret); got != status {
		t.Errorf("with the secret %s…: %d, want %d", secret[:4], got, status)
	}
}

// signer opens a ticket, and returns the secret that the webhook is told of it by.
func (r *reloading) signer(t *testing.T) string {
	t.Helper()
	r.tickets++
	var accounts []common.Address
	if err := r.ipc.CallContext(t.Context(), &accounts, "account_list"); err != nil || len(accounts) != 1 {
		t.Fatalf("%v, %v", accounts, err)
	}
	err := r.ipc.CallContext(t.Context(), nil, "account_signData", "text/plain", accounts[0], fmt.Sprintf("0x%04x", r.tickets))
	if err == nil || !strings.HasPrefix(err.Error(), "request denied: ticket ") {
		t.Fatalf("no ticket: %v", err)
	}
	select {
	case told := <-r.told:
		var seconds int64
		if _, err := fmt.Sscanf(told.signature, "t=%d,", &seconds); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hook one", "hook two"} {
			if told.signature == webhook.Signature(secret, time.Unix(seconds, 0), told.body) {
				return secret
			}
		}
	case <-time.After(patienceInTests):
		t.Fatalf("the webhook is told nothing\n%s", r.output)
	}
	return ""
}

// said wants lines of the log, and no secret in it.
func (r *reloading) said(t *testing.T, lines map[string]int) {
	t.Helper()
	log := r.output.String()
	for text, want := range lines {
		if got := strings.Count(log, text); got != want {
			t.Errorf("%q is said %d times, want %d\n%s", text, got, want, log)
		}
	}
	for _, secret := range []string{firstSecret[:16], nextSecret[:16], "hook one", "hook two", "oidc one", "oidc two"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has the secret %s", secret)
		}
	}
}

// until tries again and again until something is true.
func (r *reloading) until(t *testing.T, what string, try func() bool) {
	t.Helper()
	again := time.NewTicker(r.every)
	defer again.Stop()
	limit := time.After(rereadPatience)
	for !try() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("waited in vain for %s\n%s", what, r.output)
		}
	}
}
