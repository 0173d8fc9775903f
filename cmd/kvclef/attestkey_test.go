package main

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
)

func TestAttestAccount(t *testing.T) {
	t.Parallel()
	account := func(n byte, vault, key, version string) backend.Account {
		return backend.Account{Address: common.Address{n}, Vault: vault, Key: key, Version: version}
	}
	accounts := []backend.Account{
		account(1, "prod", "attestor", "v1"), account(2, "prod", "treasury", "v1"), account(3, "prod", "treasury", "v2"),
		account(4, "test", "attestor", "v1"), account(5, "attestor", "other", "v1"),
		account(6, "prod", "shared", "v1"), account(6, "test", "shared", "v1"),
	}
	for name, want := range map[string]byte{
		common.Address{2}.Hex():                  2,
		strings.ToLower(common.Address{3}.Hex()): 3,
		"prod/attestor":                          1,
		"Test/Attestor":                          4,
		"prod/treasury/v2":                       3,
		"treasury/v1":                            2,
		"other":                                  5,
		"attestor/other":                         5,
		"shared":                                 6,
	} {
		if got, err := attestAccount(accounts, name); err != nil || got.Address != (common.Address{want}) {
			t.Errorf("%s: %v and %v, want %v", name, got.Address, err, common.Address{want})
		}
	}
	for name, want := range map[string]string{
		"attestor":              "attestor is several keys: name one by its address: 0x0100",
		"prod/treasury":         "is several keys",
		"treasury":              "is several keys",
		"prod/":                 "hold no key prod/",
		"prod":                  "hold no key prod",
		"nobody":                "hold no key nobody",
		"test/treasury":         "hold no key test/treasury",
		common.Address{9}.Hex(): "hold no key 0x0900",
	} {
		if got, err := attestAccount(accounts, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v and %v, want %s", name, got.Address, err, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`plain "text" 'quoted' \ é 世`: `plain "text" 'quoted' \ é 世`,
		"a\nb\r\tc\x1b[2J\x00":        `a\nb\r\tc\x1b[2J\x00`,
		"\u202eback\u200b":            `\u202eback\u200b`,
		"\xff":                        "\ufffd",
		strings.Repeat("é", 1000):     strings.Repeat("é", 250) + "…",
		"":                            "",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
