package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"
)

// Secrets that are planted wherever one can be configured.
const (
	plantedJWT     = "8d1f60ab3c52e794a01b6d7fe28c935540f7196be3d2ca8812aa45ee67910bd3"
	plantedWebhook = "whsec-Qm7xPlantedSecret"
	plantedPath    = "services-T0-B0-PlantedPath"
)

// TestPlantedSecrets runs the binary with every kind of secret that needs no second
// machine, at the level debug, has what can go wrong go wrong, and lets it crash. No
// secret is in what it said, in its arguments, metrics, audit log, state, a backup of
// that, or the traces of the crash.
func TestPlantedSecrets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc, and lets the process crash by a signal")
	}
	b := newBlackBox(t)
	ipc := filepath.Join(b.dir, "s.ipc")
	config := b.write(t, "kvclef.yaml", fmt.Sprintf(`
chainids: [10]
datadir: data
rules: {policy: %s}
log: {level: debug, format: json}
listeners:
  ipc: {path: s.ipc}
  http: {enabled: true, addr: 127.0.0.1, port: 0, jwt: {secret_file: %s}}
metrics: {enabled: true, port: 0}
vaults:
  - url: https://kv-prod.vault.azure.net
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_file: %s}
approvals:
  people: {alice: {uid: 4242}}
  webhooks:
    - {url: "http://127.0.0.1:1/%s", secret_file: %s}
    - {url: "http://127.0.0.1:1/%[6]s", template: slack}
`, b.write(t, "policy.yaml", `
version: 1
approvals:
  owner: {threshold: 1, of: [alice], wait: 0s}
rules:
  - {id: list, effect: allow, match: {kind: [list]}}
  - {id: pay, effect: allow, match: {kind: [transaction], plain: true}, approvals: owner}
`), b.write(t, "jwt.hex", plantedJWT), b.vault.TenantID(), b.vault.ClientID(), b.write(t, "client", b.vault.ClientSecret()), plantedPath, b.write(t, "webhook", plantedWebhook)))
	for _, args := range [][]string{
		{"init", "--config", config},
		{"rules", "attest", "policy.yaml", "--config", config},
		{"check", "--config", config},
	} {
		if out, err := b.run(t, nil, args...); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, out, b.output)
		}
	}
	cmd := b.command(context.WithoutCancel(t.Context()), []string{"GOTRACEBACK=all"}, "serve", "--config", config)
	cmd.Stdout, cmd.Stderr = b.output, b.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	places := map[string]string{}
	b.useIt(t, ipc, places)
	for _, name := range []string{"cmdline", "comm", "status"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		places["/proc/PID/"+name] = string(text)
	}
	if out, err := b.run(t, nil, "state", "backup", "backup.db", "--config", config); err != nil {
		t.Errorf("backup: %v\n%s", err, out)
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // with exit code 2
	// What is wrong is told, and not what was given.
	for name, wrong := range map[string]string{"client": "hunter2-Refused", "jwt.hex": plantedJWT + "00"} {
		right, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, name, wrong)
		if out, err := b.run(t, nil, "check", "--config", config); err == nil {
			t.Errorf("a wrong secret is accepted, %s:\n%s", name, out)
		}
		b.write(t, name, string(right))
	}
	places["what it said"] = b.output.String()
	b.readFiles(t, places)
	for _, want := range []string{"SIGQUIT", "goroutine ", `"level":"DEBUG"`, "Message not delivered", "bearer token", "kvclef_"} {
		if !strings.Contains(places["what it said"]+places["metrics"], want) {
			t.Errorf("there is no %q, so that this proves less than it should", want)
		}
	}
	for where, text := range places {
		for name, form := range b.secretForms(t) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s is in %s: …%s…", name, where, text[max(0, i-120):min(len(text), i+20)])
			}
		}
	}
}

// useIt asks by the socket and over HTTP, with good and bad tokens.
func (b *blackBox) useIt(t *testing.T, ipc string, places map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if client, err := rpc.DialContext(ctx, ipc); err == nil {
			client.Close()
			break
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("kvclef does not answer\n%s", b.output)
		}
	}
	if _, err := signTx(ipc, ipc, "10"); err == nil || !strings.Contains(err.Error(), "ticket") {
		t.Errorf("nobody was asked: %v", err)
	}
	addresses := regexp.MustCompile(`(?m)^(HTTP|Metrics) +(http://\S+)$`)
	found := map[string]string{}
	for len(found) < 2 {
		for _, match := range addresses.FindAllStringSubmatch(b.output.String(), -1) {
			found[match[1]] = match[2]
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("no addresses\n%s", b.output)
		}
	}
	key, _ := hex.DecodeString(plantedJWT)
	for _, with := range []struct {
		key    []byte
		at     time.Time
		status int
	}{{key, time.Now(), 200}, {key, time.Now().Add(-time.Hour), 401}, {[]byte("another key of some thirty-two bytes"), time.Now(), 401}} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": with.at.Unix()}).SignedString(with.key)
		if err != nil {
			t.Fatal(err)
		}
		body := request(ctx, t, http.MethodPost, found["HTTP"], token, with.status)
		places["an answer to "+strconv.Itoa(with.status)] += body
	}
	// The webhooks are told in the background.
	for !strings.Contains(b.output.String(), "Message not delivered") {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("no message was tried\n%s", b.output)
		}
	}
	places["metrics"] = request(ctx, t, http.MethodGet, found["Metrics"], "", 200)
	places["readyz"] = request(ctx, t, http.MethodGet, strings.TrimSuffix(found["Metrics"], "/metrics")+"/readyz", "", 0)
}

// request returns the body of an answer, which has the status unless that is 0.
func request(ctx context.Context, t *testing.T, method, at, token string, status int) string {
	t.Helper()
	got, body := askedOf(ctx, t, method, at, token)
	if status != 0 && got != status {
		t.Errorf("%s: %d: %s", at, got, body)
	}
	return body
}

// askedOf asks, and returns the status and the body of the answer.
func askedOf(ctx context.Context, t *testing.T, method, at, token string) (int, string) {
	t.Helper()
	asked, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"account_list","params":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	asked.Header.Set("Content-Type", "application/json")
	if token != "" {
		asked.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("%s: %d, %v: %s", at, answer.StatusCode, err, body)
	}
	return answer.StatusCode, string(body)
}

// readFiles reads all that the binary wrote.
func (b *blackBox) readFiles(t *testing.T, places map[string]string) {
	t.Helper()
	before := len(places)
	err := filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		written := strings.HasPrefix(path, filepath.Join(b.dir, "data")) || strings.HasSuffix(path, "backup.db") || strings.HasPrefix(entry.Name(), "core")
		if err != nil || !entry.Type().IsRegular() || !written {
			return err
		}
		text, err := os.ReadFile(path)
		places[path] = string(text)
		return err
	})
	if err != nil || len(places) < before+3 {
		t.Errorf("%d files, %v", len(places)-before, err)
	}
}

// secretForms are the secrets as they could be written.
func (b *blackBox) secretForms(t *testing.T) map[string]string {
	t.Helper()
	key, err := hex.DecodeString(plantedJWT)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"the client secret": b.vault.ClientSecret(), "the refused client secret": "hunter2", "the webhook's secret": plantedWebhook,
		"the webhook's path": plantedPath, "the secret of tokens": plantedJWT, "the secret of tokens, raw": string(key),
		"a token": "eyJ", "a token's header": "Bearer e",
	}
	for name, secret := range map[string][]byte{"client secret": []byte(b.vault.ClientSecret()), "secret of tokens": key, "webhook's secret": []byte(plantedWebhook)} {
		forms["the "+name+", base64"] = base64.StdEncoding.EncodeToString(secret)[:16]
		forms["the "+name+", hexadecimal"] = hex.EncodeToString(secret)[:16]
		forms["the "+name+", as a word of a trace"] = strconv.FormatUint(binary.LittleEndian.Uint64(secret), 16)
	}
	return forms
}
