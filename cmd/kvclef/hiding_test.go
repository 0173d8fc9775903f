package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hidingPlace is a configuration, and what is to be told of it.
type hidingPlace struct {
	name   string
	config string
	told   []string
}

// hidingPlaces are configurations in which one problem stands before another, with all that
// is to be told of each. The policy is attested, and the audit log was cut, where it says so.
var hidingPlaces = []hidingPlace{
	{"a cut log and a policy that is not attested", "datadir: data\nrules: {policy: other.yaml}\n", []string{"it was there when kvclef used this log last", "the policy other.yaml is not the one that was attested"}},
	{
		"a cut log and mistakes", "datadir: data\nlog: {format: xml}\nrules: {policy: policy.yaml}\naudit: {checkpoint_key: prd/audit}\n",
		[]string{"log.format", "it was there when kvclef used this log last", `audit.checkpoint_key: no vault is called "prd"; did you mean prod`},
	},
	{"what is no log", "datadir: whole\naudit: {file: ca.pem}\nlog: {format: xml}\n", []string{"log.format", "ca.pem (line 1, byte 0, entry 1): this is no entry"}},
	{
		"a policy and a rule file after it", "datadir: whole\nrules: {policy: other.yaml, file: broken.js}\n",
		[]string{"other.yaml is not attested", "broken.js is not attested", "loading rule file: broken.js:2:1"},
	},
	{"a state that is none", "datadir: foreign\nlog: {format: xml}\n", []string{"log.format", "this is not a store of kvclef"}},
	{
		"no data directory, and a socket", "datadir: none\napprovals: {people: {alice: {}}, socket: nowhere/a.sock}\n",
		[]string{"/none: make it with kvclef init", "the socket for approvals nowhere/a.sock"},
	},
	{
		"a database that is misspelt", "datadir: empty\nreplica: a\nlog: {format: xml}\nstore: {postgres: {dsn: 'host=', schema: pg_a}}\n",
		[]string{"log.format", `the schema is called "pg_a"`},
	},
	{
		"a database without a data directory", "datadir: none\nreplica: \"a\\tb\"\nstore: {postgres: {dsn_file: none.dsn, schema: pg_a}}\n",
		[]string{`replica: "a\tb"`, "open none.dsn", `the schema is called "pg_a"`, "/none: make it with kvclef init"},
	},
	{
		"an issuer of tokens", "listeners: {http: {enabled: true, jwt: {issuer: 'http://a', jwks_url: 'http://b', algorithms: [none]}}}\n",
		[]string{"listeners.http.jwt.audience is missing", `issuer "http://a"`, `address of its keys "http://b"`, `algorithm "none"`},
	},
	{
		"files of TLS", "listeners: {http: {enabled: true, tls: {cert_file: none.crt, key_file: none.key, client_ca_file: other.yaml}}}\n",
		[]string{"open none.crt", "open none.key", "authorities of clients other.yaml"},
	},
	{
		"users and what else is of listeners", "listeners: {ipc: {principals: {me: bob}}, http: {enabled: true, jwt: {secret_file: none.hex}}}\n",
		[]string{"listeners.ipc.principals", "open none.hex"},
	},
	{
		"a console", "datadir: whole\napprovals: {people: {alice: {oidc: nonsense}}, console: {enabled: true, addr: 0.0.0.0, tls: {cert_file: none.crt, key_file: none.key}, " +
			"oidc: {issuer: 'https://issuer.example', client_id: c}}}\n",
		[]string{"open none.crt", "open none.key", `alice: "nonsense"`},
	},
	{"a node", "proxy: {node_file: none.url, deny: ['a b']}\ndatadir: whole\n", []string{"open none.url", `pattern "a b"`}},
	{"one port for two", "listeners: {http: {enabled: true, port: 9545}}\nmetrics: {enabled: true}\nlog: {format: xml}\n", []string{"log.format", "metrics.port: 9545 is that of listeners.http"}},
}

// vaultsInHiding has a vault each of whose parts is wrong.
const vaultsInHiding = `
chainids: [10]
vaults:
  - {name: prod, url: "https://kv-prod.vault.azure.net", keys: [a_b], ca_file: none.pem, credential: {kind: client-certificate, certificate_file: none.pfx, certificate_password_file: none.pass}}
  - {name: test, credential: {kind: client-secret, tenant_id: a, secret_file: none.secret}}
`

// TestProblemsDoNotHide has the binary find problems that stand behind others, of which each
// would be found when the one before it is mended. No vault is asked.
func TestProblemsDoNotHide(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	b.write(t, "policy.yaml", "version: 1\nrules:\n  - {id: list, effect: allow, match: {kind: [list]}}\n")
	b.write(t, "other.yaml", "version: 1\nrules:\n  - {id: another, effect: allow, match: {kind: [list]}}\n")
	b.write(t, "broken.js", "function ApproveTx( {\n")
	for _, folder := range []string{"foreign", "empty"} {
		if err := os.Mkdir(filepath.Join(b.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.write(t, "foreign/state.db", "nothing of ours")
	for _, args := range [][]string{{"init", "--datadir", "whole"}, {"init", "--datadir", "data"}, {"rules", "attest", "policy.yaml", "--datadir", "data"}} {
		if out, err := b.run(t, nil, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	const vaults = "chainids: [10]\nvaults: [{name: prod, url: https://kv-prod.vault.azure.net}]\n"
	b.write(t, "right.yaml", vaults+"datadir: data\nrules: {policy: policy.yaml}\n")
	b.start(t, filepath.Join(b.dir, "s.ipc"), b.azureVariables(), "serve", "--config", "right.yaml")()
	b.cutLog(t, "data")
	b.vault.ResetCounts()

	for _, place := range hidingPlaces {
		b.write(t, "wrong.yaml", vaults+place.config)
		b.tells(t, place.name, place.told)
	}
	b.write(t, "cut.yaml", vaults+"datadir: data\nlog: {level: error}\nrules: {policy: policy.yaml}\n")
	for command, code := range map[string]int{"serve": exitFailure, "check": exitUsage} { // a start that failed may be tried again
		before := len(b.output.String())
		_, err := b.run(t, b.azureVariables(), command, "--config", "cut.yaml")
		var exit *exec.ExitError
		if said := b.output.String()[before:]; !errors.As(err, &exit) || exit.ExitCode() != code || strings.Count(said, "\n") != 1 || !strings.Contains(said, "it was there when") {
			t.Errorf("a cut log alone: %s: %v\n%s", command, err, said)
		}
	}
	b.write(t, "wrong.yaml", vaultsInHiding)
	b.tells(t, "vaults", []string{
		`key "a_b"`, "open none.pem", "credential client-certificate: the tenant id is missing", "credential client-certificate: the client id is missing", "open none.pfx", "open none.pass",
		"vaults[1].url is missing", "vault test: credential client-secret: the client id is missing", "open none.secret",
	})
	b.write(t, "wrong.yaml", vaults[:len(vaults)-3]+", keys: [treasury]}]\ndatadir: whole\naudit: {checkpoint_key: prod/audit}\nlog: {format: xml}\n")
	b.tells(t, "a key that is not used", []string{"log.format", `audit.checkpoint_key: vault prod is used for the keys treasury alone, and "audit" is none of them`})
	b.write(t, "wrong.yaml", vaults+"log: {format: xml}\n")
	if told := b.refused(t, "serve", "more", "--config", "wrong.yaml"); len(told) != 2 {
		t.Errorf("an argument too many: %q", told)
	}
	if n := b.asked(); n != 0 {
		t.Errorf("the vault was asked %d times", n)
	}
}

// TestProblemsOfVaultsDoNotHide has the binary tell of each vault that can't be used, and of
// a key for checkpoints that is not in the one that can.
func TestProblemsOfVaultsDoNotHide(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	b.write(t, "two.yaml", "chainids: [10]\nvaults: [{url: https://kv-first.vault.azure.net}, {url: https://kv-next.vault.azure.net}]\n")
	before := len(b.output.String())
	if _, err := b.run(t, b.azureVariables(), "serve", "--ipcpath", "s.ipc", "--config", "two.yaml"); err == nil {
		t.Fatal("it ended well")
	}
	if said := b.output.String()[before:]; !strings.Contains(said, "kvclef: vault kv-first ") || !strings.Contains(said, "kvclef: vault kv-next ") {
		t.Errorf("it says\n%s", said)
	}
	if out, err := b.run(t, nil, "init", "--datadir", "data"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.write(t, "one.yaml", "chainids: [10]\ndatadir: data\nvaults: [{name: prod, url: https://kv-prod.vault.azure.net}]\naudit: {checkpoint_key: prod/audit}\n")
	before = len(b.output.String())
	out, err := b.run(t, b.azureVariables(), "check", "--json", "--config", "one.yaml")
	said := b.output.String()[before:]
	if err == nil || !strings.Contains(out, `"ok": false`) || !strings.Contains(said, "audit.checkpoint_key: vault prod holds no key audit") {
		t.Errorf("%v\n%s", err, said)
	}
}

// tells wants lines of serve and of check, one for each text.
func (b *blackBox) tells(t *testing.T, name string, texts []string) {
	t.Helper()
	for _, command := range []string{"serve", "check"} {
		told := b.refused(t, command, "--config", "wrong.yaml")
		right := len(told) == len(texts)
		for _, want := range texts {
			found := 0
			for _, line := range told {
				if strings.Contains(line, want) {
					found++
				}
			}
			right = right && found == 1
		}
		if !right {
			t.Errorf("%s: %s tells\n%s\nwant a line for each of %q", name, command, strings.Join(told, "\n"), texts)
		}
	}
}

// cutLog takes the last entry off the audit log of a data directory.
func (b *blackBox) cutLog(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(b.dir, folder, "audit.log")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	if end == 0 {
		t.Fatalf("one entry: %s", text)
	}
	if err := os.WriteFile(path, text[:end], 0o600); err != nil {
		t.Fatal(err)
	}
}
