package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

const prodVault = "https://kv-prod.vault.azure.net"

// keys makes versions of a key.
func (b *blackBox) keys(t *testing.T, name string, options ...emulator.KeyOptions) []emulator.Key {
	t.Helper()
	keys := make([]emulator.Key, len(options))
	for i, opts := range options {
		key, err := b.vault.CreateKeyWith("kv-prod", name, opts)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	return keys
}

// tool runs a command and returns all that it said, and its exit code.
func (b *blackBox) tool(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	before := len(b.output.String())
	_, err := b.run(t, b.azureVariables(), args...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return b.output.String()[before:], code
}

// wantDisabled asks the vault, by a command, that none of the versions is enabled.
func (b *blackBox) wantDisabled(t *testing.T, keys ...emulator.Key) {
	t.Helper()
	for _, key := range keys {
		out, code := b.tool(t, "keys", "disable", key.Name+"/"+key.Version, "--yes", "--vault", prodVault)
		if code != exitFailure || !strings.Contains(out, "no enabled key") {
			t.Errorf("%s/%s was left: exit code %d\n%s", key.Name, key.Version, code, out)
		}
	}
}

func address(key emulator.Key) string { return crypto.PubkeyToAddress(*key.Public).Hex() }

// TestDisableLeavesNoVersion has the binary disable keys of a vault so big that a
// signer would start before it knows all versions.
func TestDisableLeavesNoVersion(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	for i := range 500 {
		b.keys(t, fmt.Sprintf("key-%03d", i), emulator.KeyOptions{})
	}
	payroll := b.keys(t, "payroll", emulator.KeyOptions{}, emulator.KeyOptions{NotBefore: time.Now().Add(time.Hour)}, emulator.KeyOptions{Disabled: true}, emulator.KeyOptions{})
	old, hot := b.keys(t, "old", emulator.KeyOptions{}, emulator.KeyOptions{}), b.keys(t, "hot", emulator.KeyOptions{}, emulator.KeyOptions{})

	for _, key := range old {
		for _, name := range []string{address(key), "old/" + key.Version} {
			if out, code := b.tool(t, "keys", "show", name, "--vault", prodVault); code != 0 || !strings.Contains(out, key.Version) {
				t.Errorf("keys show %s: exit code %d\n%s", name, code, out)
			}
		}
	}
	if out, code := b.tool(t, "keys", "list", "--vault", prodVault); code != 0 || strings.Count(out, "\n") != 1+1+500+2+2+2 {
		t.Errorf("keys list: exit code %d, %d lines", code, strings.Count(out, "\n"))
	}
	if out, code := b.tool(t, "init", "--datadir", "data"); code != 0 {
		t.Fatal(out)
	}
	out, code := b.tool(t, "rules", "attest", b.write(t, "policy.yaml", "version: 1\nrules:\n  - {id: list, effect: allow, match: {kind: [list]}}\n"),
		"--config", b.write(t, "attest.yaml", "datadir: data\nvaults: [{url: "+prodVault+"}]\n"), "--attest-key", "old")
	if code != exitUsage || !strings.Contains(out, "--attest-key: old is several keys") {
		t.Errorf("attest: exit code %d\n%s", code, out)
	}

	out, code = b.tool(t, "keys", "disable", "payroll", "--yes", "--vault", prodVault)
	if code != 0 || strings.Count(out, "disabled ") != 3 {
		t.Errorf("payroll: exit code %d\n%s", code, out)
	}
	for i, key := range payroll {
		if said := strings.Contains(out, "disabled "+address(key)+"  payroll/"+key.Version); said != (i != 2) {
			t.Errorf("version %d is said to be disabled: %t\n%s", i, said, out)
		}
	}
	if out, code = b.tool(t, "keys", "disable", address(hot[0]), "--yes", "--vault", prodVault); code != 0 || !strings.Contains(out, "disabled "+address(hot[0])) || strings.Contains(out, hot[1].Version) {
		t.Errorf("by address: exit code %d\n%s", code, out)
	}
	b.wantDisabled(t, append(payroll, hot[0])...)
}

// TestDisableSaysWhatMayBeLeft: what could not be listed, read or disabled is told,
// and does not keep it from the rest.
func TestDisableSaysWhatMayBeLeft(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	payroll := b.keys(t, "payroll", emulator.KeyOptions{}, emulator.KeyOptions{}, emulator.KeyOptions{})
	config := b.write(t, "named.yaml", "vaults: [{url: "+prodVault+", keys: [payroll, payroll/"+payroll[0].Version+"]}]\n")
	forbid := func(op emulator.Op, key string) func() {
		return b.vault.Inject(emulator.Fault{Op: op, Key: key, Kind: emulator.FaultForbiddenRBAC})
	}

	// An identity that may neither list nor, at first, update.
	allow := []func(){forbid(emulator.OpList, ""), forbid(emulator.OpVersions, "payroll"), forbid(emulator.OpUpdate, "")}
	out, code := b.tool(t, "keys", "disable", "payroll", "--yes", "--config", config)
	if code != exitFailure || strings.Contains(out, "disabled 0x") || !strings.Contains(out, "payroll/"+payroll[0].Version+" is not disabled") ||
		!strings.Contains(out, "payroll/"+payroll[2].Version+" is not disabled") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	allow[2]()
	out, code = b.tool(t, "keys", "disable", "payroll", "--yes", "--config", config)
	if code != exitFailure || strings.Count(out, "disabled 0x") != 2 || !strings.Contains(out, "the versions of key payroll in vault kv-prod are not all known") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out, code = b.tool(t, "keys", "disable", "payroll", "--yes", "--vault", prodVault); code != exitFailure || !strings.Contains(out, "kvclef: nothing was disabled: the versions of key payroll") {
		t.Errorf("nothing known: exit code %d\n%s", code, out)
	}
	allow[0]()

	// By address: a key that can't be read may have it.
	if out, code = b.tool(t, "keys", "disable", address(payroll[1]), "--yes", "--vault", prodVault); code != exitFailure || !strings.Contains(out, "a key that can't be read may go on signing for "+address(payroll[1])) {
		t.Errorf("by address: exit code %d\n%s", code, out)
	}
	if out, code = b.tool(t, "keys", "list", "--vault", prodVault); code != 0 || !strings.Contains(out, "kvclef: warning: accounts of vault kv-prod may be missing: key payroll has versions that can't be read") {
		t.Errorf("keys list: exit code %d\n%s", code, out)
	}
	allow[1]()
	if out, code = b.tool(t, "keys", "disable", "payroll", "--yes", "--config", config); code != 0 || !strings.Contains(out, "disabled "+address(payroll[1])) {
		t.Errorf("the last: exit code %d\n%s", code, out)
	}
	b.wantDisabled(t, payroll...)
}

// TestDisableByAddressFindsWhatSignsLater: one key under several names, where some of
// its versions are no accounts now, and may be later.
func TestDisableByAddressFindsWhatSignsLater(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	private, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var hot []emulator.Key
	for name, opts := range map[string]emulator.KeyOptions{
		"treasury": {}, "treasury-new": {NotBefore: time.Now().Add(time.Hour)},
		"treasury-old": {Expires: time.Now().Add(-time.Hour)}, "treasury-mute": {KeyOps: []string{"verify"}},
	} {
		opts.Private = private
		hot = append(hot, b.keys(t, name, opts)...)
	}
	other := b.keys(t, "other", emulator.KeyOptions{NotBefore: time.Now().Add(time.Hour)})[0]

	allow := b.vault.Inject(emulator.Fault{Op: emulator.OpGet, Key: "treasury-new", Kind: emulator.FaultForbiddenRBAC})
	out, code := b.tool(t, "keys", "disable", address(hot[0]), "--yes", "--vault", prodVault)
	if code != exitFailure || strings.Count(out, "disabled "+address(hot[0])) != 3 || strings.Contains(out, "other/") ||
		strings.Count(out, "can't be read, and may go on signing for "+address(hot[0])+": if it is a key of that address, kvclef keys disable treasury-new/") != 1 {
		t.Errorf("one that can't be read: exit code %d\n%s", code, out)
	}
	allow()
	out, code = b.tool(t, "keys", "disable", address(hot[0]), "--yes", "--vault", prodVault)
	if code != 0 || strings.Count(out, "disabled "+address(hot[0])+"  treasury-new/") != 1 || strings.Contains(out, "other/") {
		t.Errorf("the last: exit code %d\n%s", code, out)
	}
	b.wantDisabled(t, hot...)
	if out, code = b.tool(t, "keys", "disable", "other/"+other.Version, "--yes", "--vault", prodVault); code != 0 {
		t.Errorf("another key was disabled, too: exit code %d\n%s", code, out)
	}
	config := b.write(t, "named.yaml", "vaults: [{url: "+prodVault+", keys: [treasury]}]\n")
	if out, code = b.tool(t, "keys", "disable", address(hot[0]), "--yes", "--config", config); code != exitFailure || !strings.Contains(out, "among the keys of the configuration alone: --vault "+prodVault) {
		t.Errorf("named keys: exit code %d\n%s", code, out)
	}
}
