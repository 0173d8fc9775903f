package e2e_test

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHostedSecrets looks for client secrets where they must not be: in answers, logs
// and files, also when Azure refuses one.
func TestHostedSecrets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	h := build(t).hostedStage(t)
	const refused = "Jx8Q~hunter2.Refused"
	h.start(t, "secrets", "--chainid", "1337", "--loglevel", "debug", "--proxy.hosting-key", h.file("hosting.key"))
	good, _ := h.ask(t, http.MethodPost, "configurations", h.read(t, "configuration.json"), http.StatusCreated)["id"].(string)
	document := strings.NewReplacer(h.secret, refused, `"production"`, `"refused"`).Replace(h.read(t, "configuration.json"))
	bad, _ := h.ask(t, http.MethodPost, "configurations", document, http.StatusCreated)["id"].(string)
	for id, status := range map[string]int{bad: http.StatusUnprocessableEntity, good: http.StatusCreated} {
		h.ask(t, http.MethodPost, "services", strings.ReplaceAll(h.read(t, "service.json"), "CONFIGURATION", id), status)
	}
	for _, route := range []string{"configurations/" + good, "configurations/" + bad} {
		h.ask(t, http.MethodGet, route, "", http.StatusOK)
	}
	h.ask(t, http.MethodPost, "configurations", document+document, http.StatusBadRequest)
	h.ask(t, http.MethodPost, "configurations", strings.Replace(document, `"user_secret"`, `"user_secret":7,"user_id"`, 1), http.StatusBadRequest)
	backup := filepath.Join(h.data, "backup.db")
	h.copyState(t, backup)
	if info, err := os.Stat(backup); err != nil || info.Size() == 0 {
		t.Fatalf("no backup: %v", err)
	}
	texts := map[string]string{"an answer or a log": h.said.String()}
	err := filepath.WalkDir(h.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 3 || !strings.Contains(texts["an answer or a log"], "Hosted configuration created") {
		t.Errorf("looked at no more than %d places, or nothing was said", len(texts))
	}
	for where, text := range texts {
		if strings.Contains(text, h.secret) || strings.Contains(text, refused) || strings.Contains(text, strings.Repeat("5c", 32)) {
			t.Errorf("a secret is in %s", where)
		}
	}
}

// copyState has the running signer make a copy of its state.
func (h *hosted) copyState(t *testing.T, to string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, "admin.sock"))
	}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://admin/v1/backup", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	file, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
}
