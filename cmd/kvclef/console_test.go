package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi/console/passkey/passkeytest"
)

// visitor is somebody with a browser and a passkey.
type visitor struct {
	*http.Client
	t      *testing.T
	origin string
}

func newVisitor(t *testing.T, origin string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second}, t, origin}
}

// get returns a page.
func (v *visitor) get(path string) string {
	v.t.Helper()
	return v.send(http.MethodGet, path, nil, "")
}

// post sends a form, and returns the page that it leads to.
func (v *visitor) post(path string, form url.Values) string {
	v.t.Helper()
	return v.send(http.MethodPost, path, form, "")
}

// options are what the passkey is asked.
func (v *visitor) options(path string, form url.Values) json.RawMessage {
	v.t.Helper()
	var got struct{ Options json.RawMessage }
	if text := v.send(http.MethodPost, path, form, "application/json"); json.Unmarshal([]byte(text), &got) != nil || got.Options == nil {
		v.t.Fatalf("%s: %s", path, text)
	}
	return got.Options
}

func (v *visitor) send(method, path string, form url.Values, accept string) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.origin)
	}
	response, err := v.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s, %v: %s", method, path, response.Status, err, text)
	}
	return string(text)
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(listener.Addr())
	}
	return address.Port
}

// TestConsoleFromTheLinkToTheProof: a passkey is enrolled by a link, its owner approves
// a request on the page, the request is signed, and the log proves who approved.
func TestConsoleFromTheLinkToTheProof(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	for name, text := range map[string]string{
		"config.yaml": fmt.Sprintf(`
approvals:
  people: {alice: {}}
  console: {enabled: true, port: %d}
`, port),
		"policy.yaml": `
version: 1
approvals:
  owner: {threshold: 1, of: [alice], wait: 0s}
rules:
  - {id: list, effect: allow, match: {kind: [list]}}
  - id: text
    effect: allow
    match: {kind: [text]}
    limits: [{id: few, measure: signatures, max: 4, window: 1h}]
    approvals: owner
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "kvclef.ipc")
	stop := serving(t, "dev", "--http=false", "--config", filepath.Join(dir, "config.yaml"), "--policy", filepath.Join(dir, "policy.yaml"),
		"--datadir", data, "--ipcpath", socket)
	origin := fmt.Sprintf("http://localhost:%d", port)
	link := commanded(t, "approvals", "enrol", "alice", "--datadir", data)
	token, ok := strings.CutPrefix(strings.TrimSpace(link), origin+"/enrol#")
	if !ok {
		t.Fatalf("link %q", link)
	}
	alice, device := newVisitor(t, origin), passkeytest.New(t, origin, "localhost")
	created := device.Create(t, alice.options("/enrol/begin", url.Values{"enrolment": {token}}))
	if page := alice.post("/enrol", url.Values{"answer": {string(created)}, "label": {"laptop"}}); !strings.Contains(page, "Your passkey is enrolled") {
		t.Fatal(page)
	}
	answer := device.Get(t, alice.options("/signin/passkey/begin", url.Values{}))
	if page := alice.post("/signin/passkey", url.Values{"answer": {string(answer)}}); !strings.Contains(page, "Nothing waits for you") {
		t.Fatal(page)
	}

	client, err := rpc.DialContext(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var accounts []common.Address
	if err := client.CallContext(t.Context(), &accounts, "account_list"); err != nil || len(accounts) != 1 {
		t.Fatalf("%v, %v", accounts, err)
	}
	ask := func() (signature string, err error) {
		err = client.CallContext(t.Context(), &signature, "account_signData", "text/plain", accounts[0], "0x6869")
		return signature, err
	}
	_, err = ask()
	found := regexp.MustCompile(`ticket ([a-z2-7]+) waits`).FindStringSubmatch(fmt.Sprint(err))
	if found == nil {
		t.Fatalf("%v", err)
	}
	path := "/tickets/" + found[1]
	page := alice.get(path)
	field := func(name string) string {
		got := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(page)
		if got == nil {
			t.Fatalf("no %s: %s", name, page)
		}
		return got[1]
	}
	form := url.Values{"token": {field("token")}, "hash": {field("hash")}, "verdict": {"approve"}, "comment": {"as agreed"}}
	form.Set("answer", string(device.Get(t, alice.options(path+"/vote/begin", form))))
	if page := alice.post(path+"/vote", form); !strings.Contains(page, "Your vote is counted") {
		t.Fatal(page)
	}
	if signature, err := ask(); err != nil || len(signature) != 132 {
		t.Fatalf("%q, %v", signature, err)
	}

	for path, texts := range map[string][]string{
		"/history": {found[1], "signed"}, "/accounts": {accounts[0].Hex(), "answers"}, "/passkeys": {"laptop"}, "/record": {`data-testid="head-hash"`},
		"/limits": {"few", `used of 4`, `width="25.00%"`},
	} {
		page := alice.get(path)
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s lacks %q", path, text)
			}
		}
	}
	stop()
	if proved := commanded(t, "audit", "verify", "--datadir", data); !strings.Contains(proved, "1 vote, of which 1 proved by passkeys; people approved 1 request") {
		t.Errorf("verified: %s", proved)
	}
}

// serving starts a signer, and waits until it listens. The stop ends it, once.
func serving(t *testing.T, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, printed := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"kvclef"}, args...), strings.NewReader(""), printed, &stderr)
		_ = printed.Close() // ends the reader
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
	})
	t.Cleanup(stop)
	begun := make(chan struct{})
	go func() {
		line := make([]byte, 1)
		_, _ = out.Read(line) // it prints when it listens
		close(begun)
		_, _ = io.Copy(io.Discard, out)
	}()
	<-begun
	return stop
}

// commanded runs a command that succeeds, and returns what it prints.
func commanded(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"kvclef"}, args...), strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("%v: exit code %d: %s%s", args, code, stdout.String(), stderr.String())
	}
	return stdout.String()
}
