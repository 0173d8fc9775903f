package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// signAttestation signs an attestation with the key that --attest-key names, or
// else with the one that the configuration pins. Without either it stays
// unsigned. What comes back from the vault is checked before it is kept.
func (p *program) signAttestation(c *cli.Context, cfg *config.Config, attestation *rules.Attestation) error {
	name, pinned := c.String("attest-key"), cfg.Rules.AttestKey
	if name == "" {
		name = pinned
	}
	if name == "" {
		return nil
	}
	return p.withVaults(c, func(vaults vaultSet) error {
		account, err := attestAccount(vaults.accounts(), name)
		if err != nil {
			return err
		}
		if pinned != "" && account.Address != common.HexToAddress(pinned) {
			return usagef("--attest-key: %s is account %s, and rules.attest_key pins %s: with this signature serve would refuse to start", name, account.Address.Hex(), pinned)
		}
		signed, err := vaults.keyring().Sign(c.Context, account.Address, attestation.Digest())
		if err != nil {
			return fmt.Errorf("signing the attestation: %w", err)
		}
		attestation.Signature, attestation.Key = signed.Signature[:], &account.Address
		return attestation.Verify(account.Address)
	})
}

// attestAccount returns the one account that a text names: its address, its
// key, or VAULT/KEY with or without a version.
func attestAccount(accounts []backend.Account, name string) (backend.Account, error) {
	found := slices.DeleteFunc(slices.Clone(accounts), func(a backend.Account) bool {
		vault, key, _ := strings.Cut(name, "/")
		return !answersTo(a, name) && (!strings.EqualFold(a.Vault, vault) || key == "" || !answersTo(a, key))
	})
	var addresses []string
	for _, account := range found {
		if !slices.Contains(addresses, account.Address.Hex()) {
			addresses = append(addresses, account.Address.Hex())
		}
	}
	switch len(addresses) {
	case 0:
		return backend.Account{}, usagef("--attest-key: the vaults hold no key %s; see kvclef keys list", name)
	case 1:
		return found[0], nil
	default:
		return backend.Account{}, usagef("--attest-key: %s is several keys: name one by its address: %s", name, strings.Join(addresses, ", "))
	}
}
