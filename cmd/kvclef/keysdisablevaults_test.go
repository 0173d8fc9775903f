package main

import (
	"crypto/ecdsa"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

// bothVaults is a configuration of two vaults.
const bothVaults = "vaults: [{name: a, url: " + prodVault + "}, {name: b, url: https://kv-second.vault.azure.net}]\n"

// twice puts one key into both vaults, each time under a name of its own.
func (b *blackBox) twice(t *testing.T, first, second string) (keys [2]emulator.Key, private *ecdsa.PrivateKey) {
	t.Helper()
	private, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for i, place := range [][2]string{{"kv-prod", first}, {"kv-second", second}} {
		if keys[i], err = b.vault.CreateKeyWith(place[0], place[1], emulator.KeyOptions{Private: private}); err != nil {
			t.Fatal(err)
		}
	}
	return keys, private
}

// accounts counts the lines of keys list that have an address.
func (b *blackBox) accounts(t *testing.T, config, address string) int {
	t.Helper()
	out, code := b.tool(t, "keys", "list", "--config", config)
	if code != 0 {
		t.Fatalf("keys list: exit code %d\n%s", code, out)
	}
	return strings.Count(out, address)
}

// TestDisableInEveryVault: a key that two vaults hold is disabled in both, by its address
// and by the name that it has in one of them.
func TestDisableInEveryVault(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t, "kv-second")
	config := b.write(t, "both.yaml", bothVaults)
	for _, names := range [][2]string{{"payroll", "payroll"}, {"hot", "warm"}} {
		for _, byAddress := range []bool{true, false} {
			suffix := map[bool]string{true: "-x", false: "-y"}[byAddress]
			keys, _ := b.twice(t, names[0]+suffix, names[1]+suffix)
			name := names[1] + suffix
			if byAddress {
				name = address(keys[0])
			}
			out, code := b.tool(t, "keys", "disable", name, "--yes", "--config", config)
			if code != 0 || strings.Count(out, "disabled "+address(keys[0])) != 2 || !strings.Contains(out, "in vault a\n") || !strings.Contains(out, "in vault b\n") {
				t.Errorf("%s: exit code %d\n%s", name, code, out)
			}
			if n := b.accounts(t, config, address(keys[0])); n != 0 {
				t.Errorf("%s: %d accounts are left", name, n)
			}
		}
	}
	out, code := b.tool(t, "keys", "disable", "treasury", "--yes", "--vault", prodVault, "--vault", "https://kv-second.vault.azure.net")
	if code != 0 || strings.Count(out, "disabled ") != 1 {
		t.Errorf("two vaults on the command line: exit code %d\n%s", code, out)
	}
}

// TestDisableInOneVaultTellsOfOthers: whoever chooses a vault learns what another one, or another
// name in it, goes on signing with.
func TestDisableInOneVaultTellsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t, "kv-second")
	config := b.write(t, "both.yaml", bothVaults)
	keys, private := b.twice(t, "hot", "warm")
	left := "vault b goes on signing for " + address(keys[0]) + ", by its key warm/" + keys[1].Version +
		": run kvclef keys disable " + address(keys[0]) + " --config " + config
	forbid := b.vault.Inject(emulator.Fault{Op: emulator.OpList, Kind: emulator.FaultForbiddenRBAC})
	out, code := b.tool(t, "keys", "disable", "hot", "--yes", "--config", config, "--vault", prodVault)
	if code != exitFailure || !strings.Contains(out, "disabled "+address(keys[0])) || !strings.Contains(out, "vault b may go on signing for "+address(keys[0])) {
		t.Errorf("a vault that can't be listed: exit code %d\n%s", code, out)
	}
	forbid()
	for _, args := range [][]string{{address(keys[0]), "--vault", "a"}, {address(keys[0]), "--vault", prodVault}} {
		out, code := b.tool(t, append([]string{"keys", "disable", "--yes", "--config", config}, args...)...)
		if code != exitFailure || !strings.Contains(out, "no enabled key") || !strings.Contains(out, left) {
			t.Errorf("%q: exit code %d\n%s", args, code, out)
		}
	}
	if out, code := b.tool(t, "keys", "disable", address(keys[0]), "--yes", "--config", config, "--vault", "b"); code != 0 {
		t.Errorf("the last: exit code %d\n%s", code, out)
	}

	// The same vault, by another name; a version alone.
	again := b.keys(t, "again", emulator.KeyOptions{Private: private}, emulator.KeyOptions{Private: private, NotBefore: time.Now().Add(time.Hour)})
	cold := b.keys(t, "cold", emulator.KeyOptions{Private: private})[0]
	for i, args := range [][]string{{"cold", "--vault", "a"}, {"again/" + again[0].Version}} {
		out, code := b.tool(t, append([]string{"keys", "disable", "--yes", "--config", config}, args...)...)
		if code != exitFailure || strings.Count(out, "disabled ") != 1 || strings.Count(out, "vault a goes on signing for "+address(cold)+", by its key again/") != 2-i {
			t.Errorf("%q: exit code %d\n%s", args, code, out)
		}
	}
}

// TestDisableByANameOfTwoKeys: which of them is meant, nobody guesses.
func TestDisableByANameOfTwoKeys(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t, "kv-second")
	config := b.write(t, "both.yaml", bothVaults)
	if _, err := b.vault.CreateKey("kv-second", "treasury"); err != nil {
		t.Fatal(err)
	}
	out, code := b.tool(t, "keys", "disable", "treasury", "--yes", "--config", config)
	if code != exitUsage || !strings.Contains(out, "nothing was disabled") || !strings.Contains(out, "in vault a and 0x") || strings.Contains(out, "disabled 0x") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out, code = b.tool(t, "keys", "disable", "treasury", "--yes", "--config", config, "--vault", "b"); code != 0 || strings.Count(out, "disabled 0x") != 1 {
		t.Errorf("in one: exit code %d\n%s", code, out)
	}
	broken := b.write(t, "broken.yaml", bothVaults[:len(bothVaults)-2]+", {name: c, url: https://kv-third.vault.azure.net, credential: {kind: client-secret, tenant_id: x, client_id: y, secret_file: none}}]\n")
	out, code = b.tool(t, "keys", "disable", "treasury", "--yes", "--config", broken)
	if code != exitFailure || strings.Count(out, "disabled 0x") != 1 || !strings.Contains(out, "not looked at, and may go on signing: vault c") {
		t.Errorf("a vault without a credential: exit code %d\n%s", code, out)
	}
}
