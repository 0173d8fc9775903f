package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

func TestApprovalsAreRead(t *testing.T) {
	cfg, err := Parse("kvclef.yaml", []byte(`
approvals:
  people:
    alice: {uid: 0, principals: [alice-laptop]}
    bob: {oidc: bob@example.com}
    carol@example.com:
  default: {of: [alice, bob], threshold: 2}
  socket: /run/kvclef/approvals.sock
  socket_group: approvers
  webhooks: [{url: "https://hooks.example/x"}]
  console: {port: 0} # which is off
`))
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	a := cfg.Approvals
	if names := slices.Sorted(maps.Keys(a.People)); !slices.Equal(names, []string{"alice", "bob", "carol@example.com"}) || !a.Enabled() {
		t.Errorf("people %v", names)
	}
	if alice := a.People["alice"]; alice.UID == nil || *alice.UID != 0 || a.People["bob"].UID != nil {
		t.Error("a uid of 0 is not a uid that is missing")
	}
	want := rules.Quorum{Group: "approvals.default", Threshold: 2, Of: []string{"alice", "bob"}, Expires: time.Hour, Wait: 20 * time.Second}
	if q := a.Default.Quorum(); q.String() != want.String() || q.Requester || q.Expires != want.Expires || q.Wait != want.Wait {
		t.Errorf("quorum %+v", q)
	}
	if w := a.Webhooks[0]; w.Template != TemplateJSON || len(w.Events) != 3 {
		t.Errorf("webhook %+v", w)
	}
	if a.Console.Enabled || a.Console.Port != 0 || a.SocketPath("/d") != "/run/kvclef/approvals.sock" {
		t.Errorf("console %+v, socket %s", a.Console, a.SocketPath("/d"))
	}
	if a := Default().Approvals; a.Enabled() || a.Default.Quorum() != nil || a.Console.Origin() != "http://localhost:8551" || a.SocketPath("/d") != "/d/approvals.sock" {
		t.Errorf("without people: %+v", a)
	}
}

func TestApprovalsAreRefused(t *testing.T) {
	const people = "people: {alice: {uid: 1000}, bob: {}}\n  "
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":          {people + "poeple: {}", `unknown key "approvals.poeple"`},
		"key of a person":      {"people: {alice: {uuid: 1}}", `unknown key "approvals.people.alice.uuid"`},
		"people as a list":     {"people: [alice]", "want names and what each is, not a list"},
		"person twice":         {"people: {alice: {}, alice: {}}", `"alice" is there twice`},
		"merged":               {"people: {<<: {}}", "want a name here"},
		"name":                 {`people: {"al ice": {}}`, `"al ice" is no name`},
		"name that turns text": {`people: {"alice\u202e": {}}`, "is no name"},
		"uid":                  {"people: {alice: {uid: -1}}", "want a whole number"},
		"uid of nobody":        {"people: {alice: {uid: 65534}}", "users that it does not know"},
		"uid of none":          {"people: {alice: {uid: 4294967295}}", "users that it does not know"},
		"uid in octal":         {"people: {alice: {uid: 0750}}", "want a whole number"},
		"one uid for two":      {"people: {alice: {uid: 5}, bob: {uid: 5}}", "one user of the machine can't be two people"},
		"one identity for two": {"people: {alice: {oidc: a@b.c}, bob: {oidc: A@b.c}}", "one can't be two people"},
		"empty principal":      {`people: {alice: {principals: [""]}}`, "none is empty"},
		"nobody by default":    {people + "default: {of: [carol]}", `"carol" is none of approvals.people`},
		"misspelt":             {people + "default: {of: [alcie]}", `did you mean alice`},
		"default twice":        {people + "default: {of: [bob, bob]}", `"bob" is there twice`},
		"too many":             {people + "default: {of: [bob], threshold: 2}", "2 of 1 people can't approve"},
		"none":                 {people + "default: {of: [bob], threshold: 0}", "0 of 1 people can't approve"},
		"nobody to approve":    {people + "default: {threshold: 2}", "of is missing"},
		"requester":            {people + "default: {of: [bob], requester: maybe}", `"maybe" is neither`},
		"expires":              {people + "default: {expires: 59s}", "from 1m0s to"},
		"wait":                 {people + "default: {wait: 6m}", "from 0s to 5m0s"},
		"remember":             {people + "remember: 0s", "from 1s to"},
		"keep":                 {people + "keep: 0s", "from 1m to"},
		"open":                 {people + "max_open: 1001", "from 1 to 1000"},
		"open of a caller":     {people + "max_open_per_caller: 0", "from 1 to 1000"},
		"group without socket": {people + "socket_group: staff", "the data directory is the signer's user's alone"},
		"empty group":          {people + "socket: /s\n  socket_group:", "no group"},
		"console for nobody":   {"console: {enabled: true}", "nobody to sign in"},
		"console in clear":     {people + "console: {url: http://approvals.example.com}", "is not https"},
		"console with a path":  {people + "console: {url: https://approvals.example.com/x}", "not the address of a site"},
		"half a certificate":   {people + "console: {tls: {cert_file: a}}", "go together"},
		"no issuer":            {people + "console: {oidc: {client_id: a}}", "issuer is missing"},
		"issuer in clear":      {people + "console: {oidc: {issuer: http://login.example, client_id: a}}", "not the https URL"},
		"issuer with a user":   {people + "console: {oidc: {issuer: 'https://a:hunter2@login.example', client_id: a}}", "it has a user's name"},
		"no client":            {people + "console: {oidc: {issuer: https://login.example}}", "client_id is missing"},
		"webhook without URL":  {people + "webhooks: [{}]", "webhooks[0].url is missing"},
		"webhook in clear":     {people + "webhooks: [{url: http://hooks.example}]", "it is not a URL with https"},
		"template":             {people + "webhooks: [{url: https://hooks.example, template: slak}]", `"slak" is not one of`},
		"event":                {people + "webhooks: [{url: https://hooks.example, events: [voted]}]", `"voted" is not one of`},
	} {
		cfg, err := Parse("kvclef.yaml", []byte("approvals:\n  "+c.text+"\n"))
		if err == nil {
			err = cfg.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestSecretsOfApprovals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{"hunter2\n": "hunter2", "": "", "a\nb": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		oidc, webhook := OIDC{ClientSecretFile: path}, Webhook{SecretFile: path}
		secret, err := oidc.ClientSecret()
		again, errAgain := webhook.Secret("approvals.webhooks[0]")
		if secret != want || again != want || (err == nil) != (want != "") || (errAgain == nil) != (want != "") {
			t.Errorf("%q: %q, %v, %q, %v", text, secret, err, again, errAgain)
		}
	}
	if secret, err := new(OIDC).ClientSecret(); secret != "" || err != nil {
		t.Errorf("no file: %q, %v", secret, err)
	}
}
