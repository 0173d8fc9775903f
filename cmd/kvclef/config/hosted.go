package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/backend/keyvault"
)

// HostedVault is a vault in the field names of a hosted CloudHSM service, so
// that an existing configuration can be pasted as it is. JSON will do: YAML
// includes it. It is the one place where a secret may stand in the file, which
// then must be readable by its owner alone.
type HostedVault struct {
	// Provider is "azure".
	Provider string `yaml:"provider" json:"provider"`

	// TargetAddress is the base URL of Key Vault. The vault's name is put before
	// its host. Default: https://vault.azure.net.
	TargetAddress string `yaml:"target_address" json:"target_address"`

	// UserID is the client id of the application.
	UserID string `yaml:"user_id" json:"user_id"`

	// UserSecret is the application's client secret.
	UserSecret string `yaml:"user_secret" json:"user_secret"`

	// SubscriptionID is accepted and unused: signing needs no subscription.
	SubscriptionID string `yaml:"subscription_id" json:"subscription_id"`

	// TenantID is the tenant of the application.
	TenantID string `yaml:"tenant_id" json:"tenant_id"`

	// VaultName is the vault's name in Azure.
	VaultName string `yaml:"vault_name" json:"vault_name"`
}

// Format names the vault alone, whatever the verb.
func (h HostedVault) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "hosted vault "+h.VaultName)
}

// LogValue names the vault alone.
func (h HostedVault) LogValue() slog.Value { return slog.StringValue("hosted vault " + h.VaultName) }

// HostedDocument is the whole document of such a configuration.
type HostedDocument struct {
	// Type is "cloudhsm".
	Type string `yaml:"type" json:"type"`

	// Name is what logs, rules and commands call the vault. Default: the
	// vault's name.
	Name string `yaml:"name" json:"name"`

	// MembershipID is accepted and unused.
	MembershipID string `yaml:"membership_id" json:"membership_id"`

	// Details is the vault.
	Details HostedVault `yaml:"details" json:"details"`
}

// UnmarshalYAML reads an entry of the list of vaults in any of its forms.
func (v *Vault) UnmarshalYAML(node *yaml.Node) error {
	type own Vault // without this method
	switch formOf(node) {
	case formDocument:
		var document HostedDocument
		if err := node.Decode(&document); err != nil {
			return err
		}
		vault, err := document.Vault()
		if err != nil {
			return fmt.Errorf("line %d: %w", node.Line, err)
		}
		*v = vault
		return nil
	case formHosted:
		var hosted HostedVault
		if err := node.Decode(&hosted); err != nil {
			return err
		}
		vault, err := hosted.vault()
		if err != nil {
			return fmt.Errorf("line %d: %w", node.Line, err)
		}
		*v = vault
		return nil
	default:
		return node.Decode((*own)(v))
	}
}

// form is the form of an entry in the list of vaults.
type form uint8

const (
	formOwn form = iota
	formHosted
	formDocument
)

// formOf tells an entry's form by the keys that only one form has.
func formOf(node *yaml.Node) form {
	if node.Kind != yaml.MappingNode {
		return formOwn
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		switch key := node.Content[i].Value; {
		case key == "details" || key == "membership_id":
			return formDocument
		case slices.Contains([]string{"provider", "target_address", "user_id", "user_secret", "vault_name"}, key):
			return formHosted
		}
	}
	return formOwn
}

// Vault returns the entry in kvclef's own form. It holds the secret, which nothing
// prints.
func (d HostedDocument) Vault() (Vault, error) {
	if d.Type != "" && d.Type != "cloudhsm" {
		return Vault{}, fmt.Errorf("type %q: only cloudhsm is known", d.Type)
	}
	vault, err := d.Details.vault()
	if err == nil && d.Name != "" {
		vault.Name = d.Name
	}
	return vault, err
}

// vault returns the entry in kvclef's own form.
func (h HostedVault) vault() (Vault, error) {
	if h.Provider != "azure" {
		return Vault{}, fmt.Errorf("provider %q: only azure is known", h.Provider)
	}
	for _, required := range []struct{ key, value string }{
		{"vault_name", h.VaultName}, {"user_id", h.UserID}, {"user_secret", h.UserSecret}, {"tenant_id", h.TenantID},
	} {
		if required.value == "" {
			return Vault{}, fmt.Errorf("%s is missing in a vault of the hosted form", required.key)
		}
	}
	if !hostLabel(h.VaultName) {
		return Vault{}, fmt.Errorf("vault_name %q: want the name of a vault in Azure, of letters, digits and hyphens", h.VaultName)
	}
	address, err := hostedURL(h.TargetAddress, h.VaultName)
	if err != nil {
		return Vault{}, err
	}
	return Vault{
		Name: h.VaultName,
		URL:  address,
		Credential: Credential{
			Kind: "client-secret", TenantID: h.TenantID, ClientID: h.UserID, Secret: keyvault.NewSecret(h.UserSecret),
		},
	}, nil
}

// hostLabel reports whether a name can be put before a host without changing what
// follows it.
func hostLabel(name string) bool {
	return len(name) <= 63 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(name, "-")
}

// hostedURL puts the vault's name before the host of the base address. An
// address that has the name already stays as it is.
func hostedURL(base, name string) (string, error) {
	if base == "" {
		base = "https://vault.azure.net"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", errors.New("target_address is not a URL such as https://vault.azure.net")
	}
	// It is listed and logged, and what else stands in it may be a secret.
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("target_address: want a scheme and a host alone, such as https://vault.azure.net")
	}
	prefix := name + "."
	if len(u.Host) <= len(prefix) || u.Host[:len(prefix)] != prefix {
		u.Host = prefix + u.Host
	}
	return u.String(), nil
}
