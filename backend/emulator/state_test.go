package emulator_test

import (
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

var twoVaults = []emulator.VaultOptions{{Name: "dev"}, {Name: "hsm", Flavor: emulator.ManagedHSM}}

// everything reads all that a vault shows.
func everything(t *testing.T, c *rawClient) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, path := range []string{
		"/keys", "/keys/a", "/keys/b", "/keys/c", "/keys/n", "/keys/r", "/keys/a/versions", "/keys/a/rotationpolicy",
		"/deletedkeys", "/deletedkeys/gone",
	} {
		status, reply := c.call(t, http.MethodGet, path, nil)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, status, reply)
		}
		all[path] = reply
	}
	return all
}

// TestKeysPersist changes everything there is to change, and finds it after a restart.
func TestKeysPersist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	first := start(t, emulator.Options{Vaults: twoVaults, StateFile: path})
	imported, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.ImportKey("dev", "b", imported); err != nil {
		t.Fatal(err)
	}
	if _, err := first.CreateKeyWith("dev", "r", emulator.KeyOptions{Curve: "RSA", Managed: true}); err != nil {
		t.Fatal(err)
	}
	hsmKey, err := first.CreateKey("hsm", "a")
	if err != nil {
		t.Fatal(err)
	}
	c := newRaw(t, first, "dev", true)
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/keys/a/create", map[string]any{"kty": "EC", "crv": "P-256K", "tags": map[string]string{"k": "v"}}},
		{"POST", "/keys/a/rotate", nil},
		{"PUT", "/keys/a/rotationpolicy", map[string]any{"attributes": map[string]any{"expiryTime": "P1Y"}}},
		{"POST", "/keys/c/create", map[string]any{"kty": "EC-HSM", "crv": "SECP256K1", "attributes": map[string]any{"exp": 4102444800, "nbf": 1}}},
		{"POST", "/keys/n/create", map[string]any{"kty": "EC", "crv": "P-521"}},
		{"PATCH", "/keys/c", map[string]any{"attributes": map[string]any{"enabled": false}, "key_ops": []string{"sign"}}},
		{"POST", "/keys/gone/create", createBody},
		{"DELETE", "/keys/gone", nil},
		{"POST", "/keys/purged/create", createBody},
		{"DELETE", "/keys/purged", nil},
		{"DELETE", "/deletedkeys/purged", nil},
	} {
		if status, reply := c.call(t, step.method, step.path, step.body); status >= 300 {
			t.Fatalf("%s %s: %d %v", step.method, step.path, status, reply)
		}
	}
	want := everything(t, c)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}

	second := start(t, emulator.Options{Vaults: twoVaults, StateFile: path})
	c = newRaw(t, second, "dev", true)
	if got := everything(t, c); !reflect.DeepEqual(got, want) {
		t.Errorf("after the restart\n%v\nbefore\n%v", got, want)
	}
	checkSigns(t, c, "/keys/b/sign", &imported.PublicKey)
	checkSigns(t, newRaw(t, second, "hsm", true), "/keys/a/"+hsmKey.Version+"/sign", hsmKey.Public)
}

// checkSigns signs and verifies with the public key.
func checkSigns(t *testing.T, c *rawClient, path string, public *ecdsa.PublicKey) {
	t.Helper()
	status, reply := c.call(t, http.MethodPost, path, signBody())
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, reply)
	}
	if !crypto.VerifySignature(crypto.FromECDSAPub(public), digestOf("x"), lowS(signatureOf(t, reply))) {
		t.Errorf("%s: the signature does not verify", path)
	}
}

// TestStateFileIsRefused: no emulator starts on a file that is exposed or damaged.
func TestStateFileIsRefused(t *testing.T) {
	good := filepath.Join(t.TempDir(), "state.json")
	s := start(t, emulator.Options{StateFile: good})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, content string
		mode          os.FileMode
		says          string
	}{
		{"readable by the group", string(content), 0o640, "chmod 600"},
		{"readable by all", string(content), 0o604, "chmod 600"},
		{"cut", string(content[:len(content)/2]), 0o600, "reading state file"},
		{"empty", "", 0o600, "reading state file"},
		{"other version", strings.Replace(string(content), `"version": 1`, `"version": 2`, 1), 0o600, "version 2"},
		{"other vault", strings.Replace(string(content), `"dev"`, `"prod"`, 1), 0o600, `"prod"`},
		{"damaged key", strings.Replace(string(content), `"d": "`, `"d": "*`, 1), 0o600, "base64url"},
		{"damaged name", strings.Replace(string(content), `"name": "k"`, `"name": "../k"`, 1), 0o600, "not valid"},
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(tc.content), tc.mode); err != nil {
			t.Fatal(err)
		}
		refused, err := emulator.Start(t.Context(), emulator.Options{StateFile: path})
		if err == nil {
			t.Errorf("%s: started", tc.name)
			_ = refused.Close() // the test has failed already
		} else if !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != tc.content {
			t.Errorf("%s: the file was changed (%v)", tc.name, err)
		}
	}
}

// TestChangeThatCannotBeKept is an error to the caller.
func TestChangeThatCannotBeKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, emulator.Options{StateFile: filepath.Join(dir, "state.json")})
	c := newRaw(t, s, "dev", true)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if status, reply := c.call(t, http.MethodPost, "/keys/k/create", createBody); status != http.StatusInternalServerError {
		t.Errorf("%d %v", status, reply)
	}
	if _, err := s.CreateKey("dev", "k"); err == nil {
		t.Error("created without a trace on disk")
	}
}

// TestTwoEmulatorsOnOneFile: the second to write would lose the other's keys, so it
// refuses.
func TestTwoEmulatorsOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	one := start(t, emulator.Options{StateFile: path})
	two := start(t, emulator.Options{StateFile: path})
	if _, err := one.CreateKey("dev", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := two.CreateKey("dev", "b"); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("written over the other's keys: %v", err)
	}
	if _, err := one.CreateKey("dev", "c"); err != nil {
		t.Error(err)
	}
}

// TestConcurrentChanges loses none of them.
func TestConcurrentChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	s := start(t, emulator.Options{StateFile: path})
	var wg sync.WaitGroup
	const workers, each = 4, 5
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.CreateKey("dev", fmt.Sprintf("k-%d-%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, emulator.Options{StateFile: path})
	_, reply := newRaw(t, s, "dev", true).call(t, http.MethodGet, "/keys", nil)
	if n := len(reply["value"].([]any)); n != workers*each {
		t.Errorf("%d keys", n)
	}
}

func TestOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]emulator.Options{
		"address":      {Addr: "0.0.0.0:0"},
		"no port":      {Addr: "127.0.0.1"},
		"vault name":   {Vaults: []emulator.VaultOptions{{Name: "a.b"}}},
		"twice":        {Vaults: []emulator.VaultOptions{{Name: "dev"}, {Name: "DEV"}}},
		"no directory": {StateFile: filepath.Join(t.TempDir(), "none", "state.json")},
	} {
		if s, err := emulator.Start(t.Context(), o); err == nil {
			t.Errorf("%s: started", name)
			_ = s.Close() // the test has failed already
		}
	}
}
