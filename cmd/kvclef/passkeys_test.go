package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi/console/passkey/passkeytest"
)

// enrolled adds a passkey of a person by a link, and signs the person in.
func (v *visitor) enrolled(person, data string) *passkeytest.Device {
	v.t.Helper()
	_, token, _ := strings.Cut(strings.TrimSpace(commanded(v.t, "approvals", "enrol", person, "--datadir", data)), "#")
	device := passkeytest.New(v.t, v.origin, "localhost")
	v.post("/enrol", url.Values{"answer": {string(device.Create(v.t, v.options("/enrol/begin", url.Values{"enrolment": {token}})))}})
	v.post("/signin/passkey", url.Values{"answer": {string(device.Get(v.t, v.options("/signin/passkey/begin", url.Values{})))}})
	return device
}

// TestPasskeysAreTakenAway: the operator sees who has which passkeys, takes one away, and
// its person is signed out. A new audit log knows those that are left.
func TestPasskeysAreTakenAway(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	config := fmt.Sprintf("approvals:\n  people: {alice: {}, bob: {}}\n  default: {threshold: 1, of: [alice]}\n  console: {enabled: true, port: %d}\n", port)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	args := []string{"dev", "--http=false", "--config", filepath.Join(dir, "config.yaml"), "--datadir", data, "--ipcpath", filepath.Join(dir, "kvclef.ipc")}
	stop := serving(t, args...)
	origin := fmt.Sprintf("http://localhost:%d", port)
	alice, bob := newVisitor(t, origin), newVisitor(t, origin)
	lost := alice.enrolled("alice", data)
	bob.enrolled("bob", data)

	list := func(of ...string) (people string) {
		var all []shownPasskey
		if err := json.Unmarshal([]byte(commanded(t, append(append([]string{"approvals", "passkeys"}, of...), "--datadir", data, "--json")...)), &all); err != nil {
			t.Fatal(err)
		}
		for _, key := range all {
			people += key.Person + " "
		}
		return people
	}
	if all, one, none := list(), list("bob"), list("carol"); all != "alice bob " || one != "bob " || none != "" {
		t.Errorf("listed %q, %q, %q", all, one, none)
	}
	id := base64.RawURLEncoding.EncodeToString(lost.ID)
	for want, args := range map[string][]string{
		"there is no such passkey":         {"--remove", "x"},
		"takes the ID of one passkey":      {"--remove", ""},
		"takes the ID of one passkey and":  {"--remove", id, "alice"},
		"\"bob\" is one argument too many": {"alice", "bob"},
	} {
		var stdout, stderr bytes.Buffer
		command := append(append([]string{"kvclef", "approvals", "passkeys", "--datadir", data}, args...), "--json")
		if code := run(t.Context(), command, strings.NewReader(""), &stdout, &stderr); code == exitOK || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: exit code %d, %s, want %q", args, code, stderr.String(), want)
		}
	}
	commanded(t, "approvals", "passkeys", "--datadir", data, "--remove", id)
	if page := alice.get("/passkeys"); !strings.Contains(page, "Sign in") || strings.Contains(page, "Your passkeys") {
		t.Errorf("alice is still signed in: %s", page)
	}
	if page := bob.get("/passkeys"); !strings.Contains(page, "Your passkeys") {
		t.Errorf("bob is signed out: %s", page)
	}
	stop()
	log := filepath.Join(dir, "next.log")
	for range 2 { // a new log is told once
		stop = serving(t, append(args, "--auditlog", log)...)
		stop()
	}
	if proved := commanded(t, "audit", "verify", log); !strings.Contains(proved, "1 passkey from before this log") || !strings.Contains(proved, "credential 1") {
		t.Errorf("verified: %s", proved)
	}
}
