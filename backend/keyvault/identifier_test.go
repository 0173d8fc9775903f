package keyvault

import (
	"strings"
	"testing"
)

const someVersion = "0123456789abcdef0123456789ABCDEF"

func TestParseIdentifier(t *testing.T) {
	for raw, want := range map[string]identifier{
		"https://kv.vault.azure.net/keys/treasury":                    {"treasury", ""},
		"https://kv.vault.azure.net:443/keys/Treasury/" + someVersion: {"Treasury", someVersion},
		"https://another.host/KEYS/a-1/" + someVersion:                {"a-1", someVersion},
		"https://kv.vault.azure.net/keys/treasury/":                   {"treasury", ""},
	} {
		if got, err := parseIdentifier(raw); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "treasury", "https://kv.vault.azure.net/", "https://kv/secrets/treasury", "https://kv/keys", "https://kv/keys/",
		"https://kv/keys/..", "https://kv/keys/a/..", "https://kv/keys/a/b/c", "https://kv/keys/a/short", "https://kv/keys/a%2Fb",
		"https://kv/keys/" + strings.Repeat("a", 128), "https://kv/keys/a/" + someVersion + "0", "https://kv/" + strings.Repeat("a", 2000), "%zz",
	} {
		if got, err := parseIdentifier(raw); err == nil {
			t.Errorf("%q: got %+v, want an error", raw, got)
		}
	}
}

func TestParseKey(t *testing.T) {
	for raw, want := range map[string]identifier{"treasury": {"treasury", ""}, "a/" + someVersion: {"a", someVersion}} {
		if got, err := parseKey(raw); err != nil || got != want || got.String() != raw {
			t.Errorf("%q: got %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"", "/", "a/", "a/b", "a/" + someVersion + "/c", "a b", "../a", "ä"} {
		if got, err := parseKey(raw); err == nil {
			t.Errorf("%q: got %+v, want an error", raw, got)
		}
	}
	if a, b := (identifier{"Treasury", someVersion}), (identifier{"treasury", strings.ToLower(someVersion)}); a.fold() != b.fold() {
		t.Error("identifiers are not compared without regard to case")
	}
}

func FuzzParseIdentifier(f *testing.F) {
	for _, raw := range []string{"https://kv.vault.azure.net/keys/treasury/" + someVersion, "https://kv/keys/a", "a/b", "://", "https://kv/keys/%2e%2e/x"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, parse := range []func(string) (identifier, error){parseIdentifier, parseKey} {
			id, err := parse(raw)
			if err != nil {
				continue
			}
			if !keyName.MatchString(id.name) || id.version != "" && !keyVersion.MatchString(id.version) {
				t.Fatalf("%q gave %+v, which is not safe in a path", raw, id)
			}
			if again, err := parseKey(id.String()); err != nil || again != id {
				t.Fatalf("%q gave %+v, and that gave %+v, %v", raw, id, again, err)
			}
		}
	})
}
