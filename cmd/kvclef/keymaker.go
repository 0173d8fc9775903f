package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// keyMaker makes keys for account_new in one vault. Names are random: a name
// that exists already would become a new version of that key.
type keyMaker struct {
	vault  *keyvault.Vault
	prefix string
	hsm    bool
}

// NewAccount makes a key and returns its account, which can sign at once.
func (m *keyMaker) NewAccount(ctx context.Context) (rules.Account, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return rules.Account{}, fmt.Errorf("choosing a key's name: %w", err)
	}
	account, err := m.vault.Create(ctx, m.prefix+"-"+hex.EncodeToString(random[:]), m.hsm)
	if err != nil {
		return rules.Account{}, asVaultError(err)
	}
	return ruleAccount(account), nil
}

// keyMaker returns what makes keys for account_new, nil when that is off.
func (s *signing) keyMaker() (extapi.KeyMaker, error) {
	name := s.cfg.AccountNew.Vault
	if name == "" {
		return nil, nil
	}
	for i, vault := range s.vaults {
		if vault.Name() == name {
			return &keyMaker{vault: vault, prefix: s.cfg.AccountNew.Prefix, hsm: s.cfg.Vaults[i].HSM}, nil
		}
	}
	return nil, usagef("account_new.vault: no vault is called %q", name)
}
