//go:build unix

package hosting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/rules"
)

// noStore is for what the admin socket answers besides, which nobody asks here.
type noStore struct{}

func (noStore) Backup(io.Writer) (int64, error) { return 0, errors.New("not here") }

func (noStore) Attest(context.Context, rules.Attestation) error { return errors.New("not here") }

// socket is the API at the real admin socket. No answer may show the secret.
type socket struct {
	t      *testing.T
	client *admin.Client
}

func serve(t *testing.T, h *house) *socket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.sock")
	server, err := admin.Start(t.Context(), path, noStore{}, slog.New(slog.NewTextHandler(h.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	server.Mount(admin.PathHosted, h.API())
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	client, err := admin.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return &socket{t, client}
}

const base = "/api/v1/consortia/u0consortium/environments/u0environment"

// ask returns the answer, or the status and words of a refusal; 0 is none.
func (s *socket) ask(method, path string, body []byte) (answer string, status int) {
	s.t.Helper()
	var raw json.RawMessage
	into := any(&raw)
	if method == http.MethodDelete {
		into = nil
	}
	err := s.client.Ask(s.t.Context(), method, path, bytes.NewReader(body), into)
	answer = string(raw)
	var refused *admin.RefusedError
	if errors.As(err, &refused) {
		answer, status = refused.Text, refused.Status
	} else if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	if strings.Contains(answer, secret) || strings.Contains(answer, "\"user_secret\":") {
		s.t.Errorf("%s %s: the answer shows the secret: %s", method, path, answer)
	}
	return answer, status
}

// want asks, and compares the answer with texts that must be in it.
func (s *socket) want(status int, method, path string, body []byte, texts ...string) string {
	s.t.Helper()
	answer, got := s.ask(method, path, body)
	if got != status {
		s.t.Errorf("%s %s: status %d, want %d: %.300s", method, path, got, status, answer)
	}
	for _, text := range texts {
		if !strings.Contains(answer, text) {
			s.t.Errorf("%s %s: %.500s, want %s", method, path, answer, text)
		}
	}
	return answer
}

// made posts a document, and returns its id.
func (s *socket) made(path string, body []byte) string {
	s.t.Helper()
	var got struct {
		ID        string `json:"id"`
		CreatedAt string `json:"created_at"`
	}
	answer := s.want(0, http.MethodPost, path, body)
	if err := json.Unmarshal([]byte(answer), &got); err != nil || !idForm.MatchString(got.ID) || !strings.HasSuffix(got.CreatedAt, "Z") {
		s.t.Fatalf("%s: %s, %v", path, answer, err)
	}
	return got.ID
}

func TestTheTwoDocumentsAtTheAdminSocket(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	s := serve(t, h)
	s.want(0, "GET", base+"/configurations", nil, "[]")
	s.want(0, "GET", base+"/services", nil, "[]")
	c := s.made(base+"/configurations", configurationNamed("prod"))
	for _, path := range []string{"/configurations", "/configurations/" + c} {
		s.want(0, "GET", base+path, nil, `"id":"`+c+`"`, `"name":"prod"`, `"type":"cloudhsm"`, `"membership_id":"u0member"`, `"details":{"provider":"azure",`+
			`"target_address":"https://vault.azure.net","user_id":"7d1b2c3e-client","subscription_id":"sub-1","tenant_id":"tenant-1","vault_name":"kv-prod"}`)
	}
	one := s.made(base+"/services", serviceWith(c))
	for _, path := range []string{"/services", "/services/" + one} {
		s.want(0, "GET", base+path, nil, `"id":"`+one+`"`, `"name":"signer","membership_id":"u0member","service":"cloudhsm","details":{"cloudhsm_id":"`+c+`","chain_ids":[1000001]}`)
	}
	s.want(0, "GET", base+"/services/"+one+"/status", nil, `"id":"`+one+`"`, `"state":"started"`, `"version":"1.2.3"`, `"urls":{"rpc":"http://signer/services/`+one)

	// Both are their own consortium's and environment's alone.
	for _, other := range []string{"/api/v1/consortia/other/environments/u0environment", "/api/v1/consortia/u0consortium/environments/other"} {
		s.want(0, "GET", other+"/configurations", nil, "[]")
		s.want(0, "GET", other+"/services", nil, "[]")
		for _, path := range []string{"/configurations/" + c, "/services/" + one} {
			s.want(404, "GET", other+path, nil, "has the id")
			s.want(404, "DELETE", other+path+"?force=true", nil, "has the id")
		}
		s.want(404, "GET", other+"/services/"+one+"/status", nil, "has the id")
		s.want(400, "POST", other+"/services", serviceWith(c), "details.cloudhsm_id: no configuration here has the id")
		s.want(409, "POST", other+"/configurations", configurationNamed("PROD"), `a configuration is called "PROD" already`)
	}
	if running, _ := h.stage.count(); running != 1 {
		t.Errorf("%d services run, want 1", running)
	}
	s.want(409, "DELETE", base+"/configurations/"+c, nil, "is used by the service "+one)
	s.want(0, "DELETE", base+"/services/"+one, nil)
	s.want(404, "DELETE", base+"/services/"+one, nil)
	s.want(404, "GET", base+"/services/"+one+"/status", nil)
	s.want(0, "DELETE", base+"/configurations/"+c, nil)
	s.want(404, "GET", base+"/configurations/"+c, nil)
	if running, _ := h.stage.count(); running != 0 {
		t.Errorf("%d services run, want none", running)
	}
	if all := kept(t, h.records); len(all) != 1 || all[keyGeneration] == nil {
		t.Errorf("left in the store: %d records", len(all))
	}
}

func TestTheAPIRefuses(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	s := serve(t, h)
	c := s.made(base+"/configurations", configurationNamed("prod"))
	doc := func(from, to string) []byte { return []byte(strings.Replace(document, from, to, 1)) }
	for _, r := range []struct {
		status       int
		method, path string
		body         []byte
		want         string
	}{
		{405, "PUT", base + "/configurations", nil, "want GET or POST"},
		{405, "POST", base + "/services/" + c, nil, "want DELETE or GET"},
		{405, "DELETE", base + "/services/x/status", nil, "want GET"},
		{404, "GET", base + "/nodes", nil, "there is no such path"},
		{404, "GET", "/api/v1", nil, "there is no such path"},
		{400, "GET", "/api/v1/consortia/a.b/environments/c/services", nil, `consortium "a.b"`},
		{400, "GET", "/api/v1/consortia/a/environments/" + strings.Repeat("x", 65) + "/services", nil, "environment"},
		{400, "GET", "/api/v1/consortia/a%2fb/environments/c/services", nil, `consortium "a/b"`},
		{400, "DELETE", base + "/services/x?force=yes", nil, `force="yes"`},
		{404, "DELETE", base + "/services/x?force=true", nil, `"x"`},
		{404, "DELETE", base + "/configurations/x", nil, `"x"`},
		{400, "POST", base + "/configurations", nil, "it is not JSON"},
		{413, "POST", base + "/configurations", bytes.Repeat([]byte(" "), 64<<10+1), "more than 65536 bytes"},
		{400, "POST", base + "/configurations", doc(`"user_secret"`, `"user_secert"`), `unknown member "details.user_secert"; did you mean user_secret`},
		{400, "POST", base + "/configurations", doc(`"user_secret"`, `"User_Secret"`), `unknown member "details.User_Secret"`},
		{400, "POST", base + "/configurations", doc(`"azure",`, `"azure","user_secret":"`+secret+`",`), `duplicate member "details.user_secret"`},
		{400, "POST", base + "/configurations", doc(`"`+secret+`"`, `{"`+secret+`":1}`), "details.user_secret: want text"},
		{400, "POST", base + "/configurations", doc(secret, secret+`\u0000`), "details.user_secret: it holds"},
		{400, "POST", base + "/configurations", doc(secret+`"`, secret), "it is not JSON"},
		{409, "POST", base + "/configurations", configurationNamed("kv-OWN"), "a vault of this process is called"},
		{400, "POST", base + "/services", serviceWith("nothing"), "details.cloudhsm_id: no configuration"},
		{400, "POST", base + "/services", bytes.Replace(serviceWith(c), []byte("u0member"), []byte("other"), 1), "is of another membership"},
		{400, "POST", base + "/services", serviceWith(c, `"nodes":"x"`), `unknown member "details.nodes"; did you mean node`},
		{400, "POST", base + "/services", serviceWith(c, `"policy":"/does/not/exist"`), "details.policy: reading the policy"},
	} {
		s.want(r.status, r.method, r.path, r.body, r.want)
	}
	if _, starts := h.stage.count(); starts != 0 || len(kept(t, h.records)) != 2 {
		t.Errorf("%d starts, %d records", starts, len(kept(t, h.records)))
	}
	// A service that can't be started leaves nothing.
	for reason, change := range map[string]func(*stage){
		"starting the service: opening the vault": func(on *stage) { on.failure = errors.New("no such host") },
		"starting the service: it panicked":       func(on *stage) { on.failure, on.panics = nil, true },
	} {
		h.stage.set(change)
		s.want(422, "POST", base+"/services", serviceWith(c), reason)
		h.stage.set(func(on *stage) { on.failure, on.panics = nil, false })
	}
	s.want(0, "GET", base+"/services", nil, "[]")
	// What a service tells is not told when it can't.
	one := s.made(base+"/services", serviceWith(c))
	h.stage.act(t, one).set(func(a *act) { a.status = errors.New("the node is gone") })
	s.want(0, "GET", base+"/services/"+one+"/status", nil, `"state":"started"`, `"error":"asking the service: the node is gone"`)
	h.shut(t)
	s.want(503, "POST", base+"/services", serviceWith(c), "the process is being stopped")
}

// TestStatusesOfAnswers are those of HTTP for what was done.
func TestStatusesOfAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	c, _ := h.furnish(t, "prod", 0)
	for _, r := range []struct {
		method, path string
		body         []byte
		status       int
		kind         string
	}{
		{http.MethodPost, base + "/configurations", configurationNamed("b"), http.StatusCreated, "application/json"},
		{http.MethodPost, base + "/services", serviceWith(c.ID), http.StatusCreated, "application/json"},
		{http.MethodGet, base + "/services", nil, http.StatusOK, "application/json"},
		{http.MethodPut, base + "/services", nil, http.StatusMethodNotAllowed, "application/json"},
		{http.MethodDelete, base + "/configurations/" + c.ID, nil, http.StatusConflict, "application/json"},
		{http.MethodDelete, base + "/services/ID", nil, http.StatusNoContent, ""},
		{http.MethodDelete, base + "/configurations/" + c.ID, nil, http.StatusNoContent, ""},
	} {
		if services, err := h.Services(t.Context(), home); err == nil && len(services) == 1 {
			r.path = strings.Replace(r.path, "/ID", "/"+services[0].ID, 1)
		}
		w := httptest.NewRecorder()
		h.API().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.method, r.path, bytes.NewReader(r.body)))
		header := w.Header()
		if w.Code != r.status || header.Get("Content-Type") != r.kind || header.Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s %s: %d %v %s", r.method, r.path, w.Code, header, w.Body)
		}
		if allow := header.Get("Allow"); (allow == "GET, POST") != (r.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s %s: allows %q", r.method, r.path, allow)
		}
	}
}
