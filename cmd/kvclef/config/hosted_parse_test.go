package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	hostedDocument = `{"type":"cloudhsm","name":"production","membership_id":"m1","details":{"provider":"azure",` +
		`"target_address":"https://vault.azure.net","user_id":"client","user_secret":"hunter2","subscription_id":"sub",` +
		`"tenant_id":"tenant","vault_name":"kv-prod"}}`
	hostedService    = `{"name":"signer one","membership_id":"m1","service":"cloudhsm","details":{"cloudhsm_id":"u0abcdefgh"}}`
	hostedServiceOwn = `{"name":"signer","membership_id":"","service":"cloudhsm","details":{"cloudhsm_id":"c","node":"http://localhost:8545",` +
		`"node_ws":"ws://localhost:8546","chain_ids":[1,18446744073709551615],"policy":"/etc/kvclef/a.yaml","policy_sha256":"0x` +
		`ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"}}`
)

func TestHostedDocumentsAreParsed(t *testing.T) {
	t.Parallel()
	d, err := ParseHosted([]byte(hostedDocument))
	if err != nil {
		t.Fatal(err)
	}
	vault, err := d.Vault()
	if err != nil || d.Name != "production" || d.MembershipID != "m1" || vault.URL != "https://kv-prod.vault.azure.net" || vault.Credential.Secret.IsZero() {
		t.Errorf("%+v, %v", d, err)
	}
	bare := `{"details":{"provider":"azure","user_id":"client","user_secret":"hunter2","tenant_id":"tenant","vault_name":"kv-prod"}}`
	if d, err = ParseHosted([]byte(bare)); err != nil || d.Name != "kv-prod" || d.Type != "cloudhsm" {
		t.Errorf("completed: %+v, %v", d, err)
	}
	s, err := ParseHostedService([]byte(hostedService))
	if err != nil || s.Name != "signer one" || !reflect.DeepEqual(s.Details, HostedServiceDetails{CloudHSMID: "u0abcdefgh"}) {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = ParseHostedService([]byte(hostedServiceOwn))
	want := HostedServiceDetails{
		CloudHSMID: "c", Node: "http://localhost:8545", NodeWS: "ws://localhost:8546", ChainIDs: []uint64{1, 1<<64 - 1},
		Policy: "/etc/kvclef/a.yaml", PolicySHA256: strings.Repeat("ab", 32),
	}
	if err != nil || !reflect.DeepEqual(s.Details, want) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestHostedDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{`"name"`, `"nama"`, `unknown member "nama"; did you mean name`},
		{`"name"`, `"Name"`, `unknown member "Name"; did you mean name`},
		{`"user_id"`, `"USER_ID"`, `unknown member "details.USER_ID"; did you mean user_id`},
		{`"user_id"`, `"user_secret":"x","user_id"`, `duplicate member "details.user_secret"`},
		{`"name"`, `"` + strings.Repeat("x", 1000) + `"`, `unknown member "xxx`},
		{`"hunter2"`, `7`, "details.user_secret: want text"},
		{`"hunter2"`, `["hunter2"]`, "details.user_secret: want text"},
		{`"hunter2"`, `null`, "details.user_secret: null"},
		{`"hunter2"`, `""`, "user_secret is missing"},
		{`hunter2`, `hunter2\ud800`, "details.user_secret: it holds an escape"},
		{`hunter2`, `hunter2\n`, "details.user_secret: it holds a character"},
		{`hunter2`, "hunter2\xff", "not UTF-8"},
		{`hunter2`, strings.Repeat("hunter2", 200), "details.user_secret: 1400 bytes"},
		{`"hunter2"`, `"hunter2`, "it is not JSON"},
		{`"production"`, `"pro duction"`, "want 1 to 64 letters"},
		{`"production"`, `".production"`, "want 1 to 64 letters"},
		{`"production"`, `"` + strings.Repeat("x", 65) + `"`, "want 1 to 64 letters"},
		{`"production"`, `"pröduction"`, "want 1 to 64 letters"},
		{`"cloudhsm"`, `"vault"`, "only cloudhsm is known"},
		{`"azure"`, `"aws"`, "only azure is known"},
		{`"kv-prod"`, `"evil.example/"`, "want the name of a vault in Azure"},
		{`"kv-prod"`, `"-kv"`, "want the name of a vault in Azure"},
		{`"kv-prod"`, `"a@b"`, "want the name of a vault in Azure"},
		{`https://vault.azure.net`, `https://me:hunter2@vault.azure.net`, "target_address: want a scheme and a host alone"},
		{`https://vault.azure.net`, `https://vault.azure.net?code=hunter2`, "target_address: want a scheme and a host alone"},
		{`https://vault.azure.net`, `https://vault.azure.net#hunter2`, "target_address: want a scheme and a host alone"},
		{`https://vault.azure.net`, `https://vault.azure.net/hunter2`, "target_address: want a scheme and a host alone"},
		{`{"provider"`, `[{"provider"`, "details: want an object"},
		{`}}`, `}}{}`, "more follows"},
		{`}}`, `}`, "it ends early"},
		{`{"type"`, `{"details":{},"type"`, `duplicate member "details"`},
	} {
		text := strings.Replace(hostedDocument, c.from, c.to, 1)
		_, err := ParseHosted([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 400 {
			t.Errorf("%s for %s: %v, want %s", c.to, c.from, err, c.want)
		}
	}
	for _, text := range []string{"", "null", "[]", `"hunter2"`, "{}", "7", "{", "}"} {
		if _, err := ParseHosted([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestHostedServicesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{`"cloudhsm"`, `"ipfs"`, `service "ipfs": only cloudhsm is known`},
		{`"name":"signer"`, `"name":""`, "name is missing"},
		{`"cloudhsm_id":"c",`, ``, "details.cloudhsm_id is missing"},
		{`http://localhost:8545`, `http://me:hunter2@localhost:8545`, "details.node: it has a password in it"},
		{`ws://localhost:8546`, `ws://me:hunter2@localhost:8546`, "details.node_ws: it has a password in it"},
		{`http://localhost:8545`, `ftp://localhost/hunter2`, `details.node: the scheme "ftp"`},
		{`http://localhost:8545`, `geth.ipc`, "details.node: neither a URL"},
		{`http://localhost:8545`, ``, "details.node: empty"},
		{`ws://localhost:8546`, `http://localhost:8546`, "details.node_ws: it must begin with ws://"},
		{`ws://localhost:8546`, `/run/geth.ipc`, "details.node_ws: it must begin with ws://"},
		{`"node":"http://localhost:8545",`, ``, "details.node_ws is given without details.node"},
		{`[1,`, `[0,`, "0 is no chain id"},
		{`[1,`, `[1,1,`, "1 is given twice"},
		{`[1,`, `[-1,`, "details.chain_ids[0]: want a whole number"},
		{`[1,`, `[1.0,`, "details.chain_ids[0]: want a whole number"},
		{`[1,`, `[1,1e3,`, "details.chain_ids[1]: want a whole number"},
		{`[1,`, `[1,18446744073709551616,`, "details.chain_ids[1]: want a whole number"},
		{`[1,18446744073709551615]`, `[]`, "details.chain_ids: empty"},
		{`[1,18446744073709551615]`, `"1"`, "details.chain_ids: want a list"},
		{`[1,18446744073709551615]`, `[` + strings.TrimSuffix(strings.Repeat("1,", 65), ",") + `]`, "65 chain ids"},
		{`/etc/kvclef/a.yaml`, `a.yaml`, "not the whole path"},
		{`/etc/kvclef/a.yaml`, ``, "details.policy: empty"},
		{`"policy":"/etc/kvclef/a.yaml",`, ``, "details.policy_sha256 is given without"},
		{`0xAB`, `0x`, "is not 64 hexadecimal digits"},
		{`0xAB`, `0xZZ`, "is not 64 hexadecimal digits"},
		{`"details":{`, `"node":"x","details":{`, `unknown member "node"`},
	} {
		text := strings.Replace(hostedServiceOwn, c.from, c.to, 1)
		_, err := ParseHostedService([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s for %s: %v, want %s", c.to, c.from, err, c.want)
		}
	}
}

// TestOwnDetailsAreNotForFiles: what a flag says may not be ignored in a file.
func TestOwnDetailsAreNotForFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "service.json")
	for text, want := range map[string]string{hostedService: "", hostedServiceOwn: `unknown key "details.node"`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadHostedService(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestHostedKeys(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("5e", 32)
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{key, 0o600, ""},
		{" " + strings.ToUpper(key) + "\n", 0o400, ""},
		{key, 0o640, "chmod 600"},
		{key[1:], 0o600, "64 hexadecimal digits"},
		{key + "00", 0o600, "64 hexadecimal digits"},
		{"0x" + key, 0o600, "64 hexadecimal digits"},
		{strings.Replace(key, "e", "g", 1), 0o600, "64 hexadecimal digits"},
		{strings.Repeat("0", 64), 0o600, "zeros"},
		{"", 0o600, "64 hexadecimal digits"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadHostedKey("hosting.key_file", path)
		switch {
		case c.want == "" && (err != nil || got != [32]byte(bytes.Repeat([]byte{0x5e}, 32))):
			t.Errorf("%q: %v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "5e5e")):
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// FuzzHosted: what is taken means the same to the JSON package, and is taken again
// when it is written.
func FuzzHosted(f *testing.F) {
	for _, text := range []string{hostedDocument, hostedService, hostedServiceOwn, `{"a":[{}]}`, `{"name":"\ud83d\ude00"}`, `[1,2`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := ParseHosted(data); err == nil {
			again(t, data, d, ParseHosted)
		}
		if s, err := ParseHostedService(data); err == nil {
			again(t, data, s, ParseHostedService)
		}
	})
}

func again[T any](t *testing.T, data []byte, parsed T, parse func([]byte) (T, error)) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var plain T
	if err := decoder.Decode(&plain); err != nil {
		t.Errorf("package json refuses %q: %v", data, err)
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := parse(text); err != nil || !reflect.DeepEqual(second, parsed) {
		t.Errorf("%q is %+v, and written %+v, %v", data, parsed, second, err)
	}
}
