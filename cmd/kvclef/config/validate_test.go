package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllIsFoundAtOnce: every mistake of a file is a line of the error, whatever section
// it is in, and however many there are in one.
func TestAllIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	cfg, err := Parse("kvclef.yaml", []byte(`
chainids: [0, 5, 5]
vaults:
  - {name: a, credential: {kind: password}, timeout: -1s}
  - {name: b, url: "https://b.vault.azure.net", credential: {kind: password}, timeout: -1s}
account_new: {vault: c}
rules: {policy: rules.js, shadow: next.js, timeout: 1m, attest_key: me}
audit: {max_bytes: 1, requests: some, checkpoint_interval: 0s, checkpoint_key: audit}
replica: "a\nb"
listeners:
  http:
    tls: {cert_file: a.pem, caller_name: shoe, min_version: "1.1"}
    jwt: {secret_principal: x, audience: y}
proxy: {node: nowhere:1, other_accounts: steal, gas_margin: 0, poll_interval: 1ms, confirmations: 0, retain: 1s}
approvals:
  people:
    alice: {uid: 1000, oidc: a@example.com}
    bob: {uid: 1000, oidc: A@example.com, principals: [""]}
    "c d": {uid: 1000, oidc: a@example.com, principals: [""]}
  default: {threshold: 3, of: [alice, carol, alice, dora], requester: maybe, expires: 1ms, wait: 1000h}
  remember: 0s
  keep: 0s
  max_open: 0
  max_open_per_caller: 0
  socket_group: approvers
  console:
    url: http://approvals.example.com
    tls: {min_version: "1.0"}
    oidc: {issuer: "http://issuer.example", groups_claim: ""}
  webhooks:
    - {url: "http://example.com", template: shout, events: [opened, closed]}
log: {level: loud, format: xml}
limits: {batch: 0, sign_timeout: 0s, repeat: -1s, max_wait: 0s}
refresh_interval: -1s
metrics: {enabled: true, addr: "", tls: {key_file: k.pem}}
tracing: {sample: 2, endpoint: "ftp://x"}
`))
	if err != nil {
		t.Fatal(err)
	}
	finds(t, cfg,
		"chainids: 0 ", "chainids: 5 ", "vaults[0].url", "vaults[0].credential.kind", "vaults[0]: max_in_flight", "vaults[1].credential.kind", "vaults[1]: max_in_flight", "account_new.vault",
		"rules.policy", "rules.shadow", "rules.timeout", "rules.attest_key",
		"audit.max_bytes", "audit.requests", "audit.checkpoint_interval", "audit.checkpoint_key", "replica: ",
		"listeners.http.tls: ", "listeners.http.tls.caller_name: \"shoe\"", "listeners.http.tls.caller_name: it is", "listeners.http.tls.min_version",
		"listeners.http.jwt.secret_principal", "listeners.http.jwt.issuer",
		"proxy.node: ", "proxy.other_accounts", "proxy.gas_margin", "proxy.poll_interval", "proxy.confirmations", "proxy.retain",
		"approvals.people.bob.uid", "approvals.people.bob.oidc", "approvals.people.bob.principals", `approvals.people: "c d"`, `approvals.people."c d".uid`, `approvals.people."c d".oidc`, `approvals.people."c d".principals`,
		"approvals.default.of: \"alice\"", "approvals.default.requester", "approvals.default.expires", "approvals.default.wait", `approvals.default: "carol"`, `approvals.default: "dora"`,
		"approvals.remember", "approvals.keep", "approvals.max_open:", "approvals.max_open_per_caller", "approvals.socket_group",
		"approvals.console.url", "approvals.console.tls: ", "approvals.console.tls.min_version", "approvals.console.oidc.issuer", "approvals.console.oidc.client_id", "approvals.console.oidc.groups_claim",
		"approvals.webhooks[0].url", "approvals.webhooks[0].template", "approvals.webhooks[0].events",
		"log.level", "log.format", "limits: body_bytes", "limits: request_timeout", "limits.repeat", "limits.max_wait", "refresh_interval",
		"metrics.addr", "metrics.tls", "tracing.sample", "tracing.endpoint",
	)
}

// TestTooManyHideNothing: that there are too many, or that what the others go with is
// missing, does not hide what else is wrong.
func TestTooManyHideNothing(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Vaults = []Vault{{Name: "a"}} // an account_new of it is not wrong too
	cfg.AccountNew.Vault = "a"
	cfg.Approvals.People = make(map[string]Person)
	for i := range maxPeople + 1 {
		cfg.Approvals.People[fmt.Sprintf("p%d", i)] = Person{}
	}
	cfg.Approvals.People["p7"] = Person{Principals: []string{""}}
	cfg.Approvals.Webhooks = make([]Webhook, maxWebhooks+1)
	for i := range cfg.Approvals.Webhooks {
		cfg.Approvals.Webhooks[i].URL = "https://hooks.example"
	}
	cfg.Approvals.Webhooks[maxWebhooks].URL = ""
	cfg.Approvals.Console.OIDC = OIDC{Group: "approvers"}
	finds(t, cfg,
		"vaults[0].url", "approvals.people: 1001 people", "approvals.people.p7.principals", "approvals.webhooks: 11 are", "approvals.webhooks[10].url",
		"approvals.console.oidc.issuer is missing", "approvals.console.oidc.client_id", "approvals.console.oidc.groups_claim",
	)
	if lines := strings.Count(cfg.Validate().Error(), "\n") + 1; lines != 8 {
		t.Errorf("%d lines, want 8:\n%v", lines, cfg.Validate())
	}
}

// finds wants one line of what is wrong to begin with each of the texts.
func finds(t *testing.T, cfg *Config, wanted ...string) {
	t.Helper()
	err := cfg.Validate()
	if err == nil {
		t.Fatal("nothing is found")
	}
	for _, want := range wanted {
		found := 0
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.HasPrefix(line, want) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d lines begin with %s, want 1", found, want)
		}
	}
	if t.Failed() {
		t.Logf("\n%v", err)
	}
}
