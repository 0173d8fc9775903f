package config

import (
	"strings"
	"testing"
)

func TestHostedForms(t *testing.T) {
	const details = `{"provider":"azure","target_address":"https://vault.azure.net","user_id":"client","user_secret":"hunter2",` +
		`"subscription_id":"sub","tenant_id":"tenant","vault_name":"kv-prod"}`
	for _, tt := range []struct{ name, text, label, url string }{
		{"details in JSON", `{"vaults":[` + details + `]}`, "kv-prod", "https://kv-prod.vault.azure.net"},
		{
			"the whole document in JSON", `{"vaults":[{"type":"cloudhsm","name":"production","membership_id":"m","details":` + details + `}]}`,
			"production", "https://kv-prod.vault.azure.net",
		},
		{
			"YAML without an address",
			"vaults:\n  - provider: azure\n    user_id: client\n    user_secret: hunter2\n    tenant_id: tenant\n    vault_name: kv-prod\n",
			"kv-prod", "https://kv-prod.vault.azure.net",
		},
		{"another cloud", `{"vaults":[` + strings.Replace(details, "vault.azure.net", "vault.azure.cn", 1) + `]}`, "kv-prod", "https://kv-prod.vault.azure.cn"},
		{"an address with the name", `{"vaults":[` + strings.Replace(details, "https://", "https://kv-prod.", 1) + `]}`, "kv-prod", "https://kv-prod.vault.azure.net"},
		{"a slash at the end", `{"vaults":[` + strings.Replace(details, "azure.net", "azure.net/", 1) + `]}`, "kv-prod", "https://kv-prod.vault.azure.net/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Parse("kvclef.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			got := cfg.Vaults[0]
			if got.Name != tt.label || got.URL != tt.url {
				t.Errorf("got vault %s at %s, want %s at %s", got.Name, got.URL, tt.label, tt.url)
			}
			if c := got.Credential; c.Kind != "client-secret" || c.TenantID != "tenant" || c.ClientID != "client" || c.Secret.IsZero() {
				t.Errorf("got credential %+v", c)
			}
		})
	}
}

func TestHostedFormsRefuse(t *testing.T) {
	entry := func(fields string) string { return "vaults:\n  - {" + fields + "}\n" }
	for _, tt := range []struct{ name, text, want string }{
		{"another provider", entry("provider: aws, vault_name: kv"), `kvclef.yaml:2: provider "aws": only azure is known`},
		{"no provider", entry("user_id: u, vault_name: kv"), `kvclef.yaml:2: provider "": only azure is known`},
		{"no secret", entry("provider: azure, user_id: u, tenant_id: t, vault_name: kv"), "kvclef.yaml:2: user_secret is missing"},
		{"no name", entry("provider: azure, user_id: u, user_secret: hunter2, tenant_id: t"), "kvclef.yaml:2: vault_name is missing"},
		{"misspelt", entry("provider: azure, user_secert: hunter2"), `kvclef.yaml:2: unknown key "vaults[0].user_secert"; did you mean user_secret`},
		{"mixed", entry("provider: azure, url: https://kv.vault.azure.net"), `kvclef.yaml:2: unknown key "vaults[0].url"`},
		{"another type", entry("type: vault, details: {provider: azure}"), `kvclef.yaml:2: type "vault": only cloudhsm is known`},
		{"unknown in the document", entry("typ: cloudhsm, details: {provider: azure}"), `kvclef.yaml:2: unknown key "vaults[0].typ"; did you mean type`},
		{"address", entry("provider: azure, target_address: nowhere, user_id: u, user_secret: hunter2, tenant_id: t, vault_name: kv"), "kvclef.yaml:2: target_address is not a URL"},
		{"a list as a secret", entry("provider: azure, user_secret: [hunter2]"), "kvclef.yaml:2: vaults[0].user_secret: want text, not a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("kvclef.yaml", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the secret")
			}
		})
	}
}
