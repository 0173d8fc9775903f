package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

const (
	maxHostedText   = 1024 // bytes of one text in a document
	maxHostedName   = 64   // bytes of a name that rules and logs use
	maxHostedChains = 64   // chain ids of a service
)

// ParseHosted reads the document of a hosted configuration as JSON, and completes
// its type and name. No error shows the secret.
func ParseHosted(data []byte) (HostedDocument, error) {
	var d HostedDocument
	if err := DecodeJSON(data, &d); err != nil {
		return HostedDocument{}, err
	}
	err := checkTexts([][2]string{
		{"type", d.Type},
		{"name", d.Name},
		{"membership_id", d.MembershipID},
		{"details.provider", d.Details.Provider},
		{"details.target_address", d.Details.TargetAddress},
		{"details.user_id", d.Details.UserID},
		{"details.user_secret", d.Details.UserSecret},
		{"details.subscription_id", d.Details.SubscriptionID},
		{"details.tenant_id", d.Details.TenantID},
		{"details.vault_name", d.Details.VaultName},
	})
	if err != nil {
		return HostedDocument{}, err
	}
	vault, err := d.Vault()
	if err != nil {
		return HostedDocument{}, err
	}
	d.Type, d.Name = "cloudhsm", vault.Name
	if !plainName(d.Name) {
		return HostedDocument{}, fmt.Errorf("name %q: want 1 to %d letters, digits and . - _, of which the first is a letter or digit: rules, logs and audit know the vault by it",
			d.Name, maxHostedName)
	}
	return d, nil
}

// ParseHostedService reads the document of a hosted service as JSON, with
// kvclef's own details.
func ParseHostedService(data []byte) (HostedService, error) {
	var s HostedService
	if err := DecodeJSON(data, &s); err != nil {
		return HostedService{}, err
	}
	d := &s.Details
	err := checkTexts([][2]string{
		{"name", s.Name},
		{"membership_id", s.MembershipID},
		{"service", s.Service},
		{"details.cloudhsm_id", d.CloudHSMID},
		{"details.node", d.Node},
		{"details.node_ws", d.NodeWS},
		{"details.policy", d.Policy},
		{"details.policy_sha256", d.PolicySHA256},
	})
	if err == nil {
		err = s.check()
	}
	if err == nil {
		err = errors.Join(d.checkNode(), d.checkChains(), d.checkPolicy())
	}
	if err != nil {
		return HostedService{}, err
	}
	return s, nil
}

// checkNode checks the endpoints, which no error shows.
func (d *HostedServiceDetails) checkNode() error {
	for _, of := range []struct{ key, endpoint string }{{"details.node", d.Node}, {"details.node_ws", d.NodeWS}} {
		if of.endpoint == "" {
			continue
		}
		if u, err := url.Parse(of.endpoint); err == nil && u.User != nil {
			return fmt.Errorf("%s: it has a password in it, which everybody who lists the services sees: leave it out, and give the process a node with proxy.node_file", of.key)
		}
		if err := checkNode(of.key, of.endpoint); err != nil {
			return err
		}
		if !strings.Contains(of.endpoint, "://") && !filepath.IsAbs(of.endpoint) {
			return fmt.Errorf("%s: neither a URL such as http://localhost:8545 nor the whole path of a socket", of.key)
		}
	}
	scheme, _, isURL := strings.Cut(d.NodeWS, "://")
	switch {
	case d.NodeWS == "":
		return nil
	case d.Node == "":
		return errors.New("details.node_ws is given without details.node: both must be of the same node")
	case !isURL || scheme != "ws" && scheme != "wss":
		return errors.New("details.node_ws: it must begin with ws:// or wss://")
	}
	return nil
}

func (d *HostedServiceDetails) checkChains() error {
	if len(d.ChainIDs) > maxHostedChains {
		return fmt.Errorf("details.chain_ids: %d chain ids; there may be %d", len(d.ChainIDs), maxHostedChains)
	}
	for i, id := range d.ChainIDs {
		if id == 0 {
			return errors.New("details.chain_ids: 0 is no chain id; it starts at 1")
		}
		if slices.Contains(d.ChainIDs[:i], id) {
			return fmt.Errorf("details.chain_ids: %d is given twice", id)
		}
	}
	return nil
}

// checkPolicy checks path and hash, and writes the hash without 0x in lower case.
func (d *HostedServiceDetails) checkPolicy() error {
	switch {
	case d.Policy == "" && d.PolicySHA256 != "":
		return errors.New("details.policy_sha256 is given without details.policy, the file that must have it")
	case d.Policy != "" && !filepath.IsAbs(d.Policy):
		return fmt.Errorf("details.policy: %q is not the whole path of a file", d.Policy)
	case d.PolicySHA256 == "":
		return nil
	}
	hash, err := hex.DecodeString(strings.TrimPrefix(d.PolicySHA256, "0x"))
	if err != nil || len(hash) != 32 {
		return fmt.Errorf("details.policy_sha256: %.100q is not 64 hexadecimal digits", d.PolicySHA256)
	}
	d.PolicySHA256 = hex.EncodeToString(hash)
	return nil
}

// checkTexts bounds texts, and keeps out what would change a line of a log.
func checkTexts(texts [][2]string) error {
	for _, text := range texts {
		switch key, value := text[0], text[1]; {
		case len(value) > maxHostedText:
			return fmt.Errorf("%s: %d bytes; there may be %d", key, len(value), maxHostedText)
		case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Errorf("%s: it holds a character that can't be printed", key)
		}
	}
	return nil
}

// plainName reports whether a name means the same wherever it is written.
func plainName(name string) bool {
	odd := strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(".-_", r)
	})
	return name != "" && len(name) <= maxHostedName && odd < 0 && !strings.ContainsRune(".-_", rune(name[0]))
}

// ReadHostedKey reads a key of 256 bits, 64 hexadecimal digits in a file that its
// owner alone may read. The setting's name is for errors, which never show the key.
func ReadHostedKey(setting, path string) (key [32]byte, err error) {
	text, err := readSecret(setting, path)
	if err != nil {
		return key, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != len(key) {
		return key, fmt.Errorf("%s: %s does not hold a key, 64 hexadecimal digits (openssl rand -hex 32 makes one)", setting, path)
	}
	if key = [32]byte(raw); key == [32]byte{} {
		return key, fmt.Errorf("%s: %s holds zeros, which are no key (openssl rand -hex 32 makes one)", setting, path)
	}
	return key, nil
}
