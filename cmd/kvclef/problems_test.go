package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestProblemsOfAConfiguration has the binary find more than a dozen problems, in values and in
// files, and none once they are mended: serve and check tell the same, and neither asks
// the vault meanwhile.
func TestProblemsOfAConfiguration(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	b.write(t, "wrong.yaml", fmt.Sprintf(`
chainids: [10, 10]
datadir: data
log: {format: xml}
limits: {repeat: -1s}
rules: {policy: policy.yaml, file: broken.js}
listeners:
  http: {enabled: true, port: 0, tls: {cert_file: none.crt, key_file: none.key}, jwt: {secret_file: open.hex}}
vaults:
  - {name: unreached, credential: {kind: managed-identity}}
  - {name: prod, url: "https://kv-prod.vault.azure.net", credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_file: none.secret}}
approvals:
  people: {alice: {}}
  default: {of: [alice, carol, dora]}
  webhooks: [{url: "https://hooks.example", secret_file: none.hook}]
`, b.vault.TenantID(), b.vault.ClientID()))
	b.write(t, "broken.js", "function ApproveTx( {\n")
	b.write(t, "policy.yaml", "version: 1\nrules:\n  - {id: list, effect: allow, match: {kind: [list]}}\n")
	if err := os.Chmod(b.write(t, "open.hex", firstSecret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := b.run(t, nil, "init", "--datadir", "data"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	state := b.state(t)
	for _, command := range []string{"serve", "check"} {
		told := b.refused(t, command, "--config", "wrong.yaml")
		for _, want := range []string{
			"chainids: 10 is given twice", "vaults[0].url is missing", `approvals.default: "carol" is none`, `approvals.default: "dora" is none`,
			`log.format: "xml"`, "limits.repeat: -1s", "listeners.http.jwt.secret_file: open.hex has mode 0644", "listeners.http.tls: reading the TLS certificate: open none.crt",
			"listeners.http.tls: reading the TLS key: open none.key", "loading rule file: broken.js:2:1: ",
			"approvals.webhooks[0].secret_file: open none.hook", "vault prod: ", "the policy policy.yaml is not attested", "the rule file broken.js is not attested",
		} {
			found := 0
			for _, line := range told {
				if strings.Contains(line, want) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: %d lines have %q, want 1", command, found, want)
			}
		}
		if len(told) != 14 {
			t.Errorf("%s: %d lines, want 14", command, len(told))
		}
		if t.Failed() {
			t.Log(strings.Join(told, "\n"))
		}
	}
	if !bytes.Equal(b.state(t), state) {
		t.Error("the state is another one")
	}

	b.write(t, "right.yaml", "chainids: [10]\ndatadir: data\nrules: {policy: policy.yaml}\nvaults: [{url: https://kv-prod.vault.azure.net}]\n")
	told := b.refused(t, "check", "--config", "right.yaml")
	if len(told) != 1 || !strings.Contains(told[0], "the policy policy.yaml is not attested") {
		t.Errorf("not attested: %v", told)
	}
	if n := b.asked(); n != 0 {
		t.Errorf("the vault was asked %d times", n)
	}
	if out, err := b.run(t, nil, "rules", "attest", "policy.yaml", "--datadir", "data"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := func(when string) {
		if out, err := b.run(t, b.azureVariables(), "check", "--config", "right.yaml"); err != nil || !strings.Contains(out, "treasury/") {
			t.Errorf("%s: %v\n%s\n%s", when, err, out, b.output)
		}
	}
	check("before the start")
	if b.asked() == 0 {
		t.Error("the vault was not asked, so that it proves nothing that it was not before")
	}
	ipc := filepath.Join(b.dir, "s.ipc")
	stop := b.start(t, ipc, b.azureVariables(), "serve", "--config", "right.yaml")
	check("while the signer runs")
	b.write(t, "policy.yaml", "version: 1\nrules:\n  - {id: another, effect: allow, match: {kind: [list]}}\n")
	if told := b.refused(t, "check", "--config", "right.yaml"); len(told) != 1 || !strings.Contains(told[0], "is not the one that was attested") {
		t.Errorf("changed while the signer runs: %v", told)
	}
	stop()
}

// refused runs a command that must end with exit code 2 and print nothing but problems,
// which it returns.
func (b *blackBox) refused(t *testing.T, args ...string) []string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := b.command(t.Context(), b.azureVariables(), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage || stdout.Len() > 0 {
		t.Fatalf("%v: %v\n%s\n%s", args, err, &stdout, &stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "kvclef: ") {
			t.Errorf("%v: %q does not begin with kvclef:", args, line)
		}
	}
	return lines
}

// asked is how often the vault was.
func (b *blackBox) asked() int {
	return b.vault.Count(emulator.OpToken) + b.vault.Count(emulator.OpList) + b.vault.Count(emulator.OpGet) + b.vault.Count(emulator.OpSign)
}

func (b *blackBox) state(t *testing.T) []byte {
	t.Helper()
	state, err := os.ReadFile(filepath.Join(b.dir, "data", "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	return state
}
