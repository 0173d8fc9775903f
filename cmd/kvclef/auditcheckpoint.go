package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// startCheckpoints has the head of the audit log signed by the key that the
// configuration names, if it names one, until stop is called. That is the
// signer's own act: it does not go through the rules, and what is signed can't
// be taken for anything that moves money. The key's account is reserved for it.
func startCheckpoints(
	ctx context.Context, cfg *config.Config, keyring *backend.Keyring, log *slog.Logger, auditLog *audit.Log,
) (reserved common.Address, stop func(), err error) {
	if cfg.Audit.CheckpointKey == "" {
		return common.Address{}, func() {}, nil
	}
	account, err := checkpointAccount(ctx, keyring, cfg.Audit.CheckpointKey)
	if err != nil {
		return common.Address{}, nil, err
	}
	log.InfoContext(ctx, "A vault key signs the audit log's head, outside the rules; callers can't use it", "account", account.Address,
		"vault", account.Vault, "key", account.Key, "interval", cfg.Audit.CheckpointInterval)
	checkpointer := audit.StartCheckpointer(ctx, auditLog, audit.CheckpointerOptions{
		Sign:     checkpointSign(keyring, account.Address),
		Key:      account.Address,
		Interval: cfg.Audit.CheckpointInterval,
		Logger:   log,
	})
	return account.Address, func() {
		if err := checkpointer.Close(context.WithoutCancel(ctx)); err != nil {
			log.WarnContext(ctx, "Audit log not checkpointed at the end: its last entries are covered by the next checkpoint", "error", err)
		}
	}, nil
}

// checkpointSign signs with one key of the vaults.
func checkpointSign(keyring *backend.Keyring, account common.Address) func(context.Context, common.Hash) ([65]byte, error) {
	return func(ctx context.Context, digest common.Hash) ([65]byte, error) {
		signed, err := keyring.Sign(ctx, account, digest)
		return signed.Signature, err
	}
}

// checkpointAccount returns the account that a text names: an address, or
// VAULT/KEY[/VERSION].
func checkpointAccount(ctx context.Context, keyring *backend.Keyring, name string) (backend.Account, error) {
	if common.IsHexAddress(name) {
		account, ok := keyring.Find(ctx, common.HexToAddress(name))
		if !ok {
			return backend.Account{}, usagef("audit.checkpoint_key: no vault holds the key of %s; see kvclef keys list", name)
		}
		return account, nil
	}
	vault, key, ok := strings.Cut(name, "/")
	if !ok || vault == "" || key == "" {
		return backend.Account{}, usagef("audit.checkpoint_key: %q is neither an address nor VAULT/KEY, such as prod/audit", name)
	}
	found := slices.DeleteFunc(keyring.Accounts(), func(a backend.Account) bool {
		return !strings.EqualFold(a.Vault, vault) || !answersTo(a, key)
	})
	switch len(found) {
	case 0:
		return backend.Account{}, usagef("audit.checkpoint_key: vault %s holds no key %s that can sign; see kvclef keys list", vault, key)
	case 1:
		return found[0], nil
	default:
		var versions []string
		for _, account := range found {
			versions = append(versions, account.Address.Hex())
		}
		return backend.Account{}, usagef("audit.checkpoint_key: %s has several versions: name one by its address: %s", name, strings.Join(versions, ", "))
	}
}

// reservingSigner is a signer without one account: callers neither see nor use
// the key that signs for the signer itself.
type reservingSigner struct {
	extapi.Signer
	reserved common.Address
}

// reserve takes an account away from callers; the zero address is none.
func reserve(signer extapi.Signer, account common.Address) extapi.Signer {
	if account == (common.Address{}) {
		return signer
	}
	return reservingSigner{signer, account}
}

// Accounts returns the accounts but the reserved one.
func (s reservingSigner) Accounts() []rules.Account {
	return slices.DeleteFunc(s.Signer.Accounts(), func(a rules.Account) bool { return a.Address == s.reserved })
}

// Find does not know the reserved account.
func (s reservingSigner) Find(ctx context.Context, address common.Address) (rules.Account, bool) {
	if address == s.reserved {
		return rules.Account{}, false
	}
	return s.Signer.Find(ctx, address)
}

// Queue waits for a turn at a vault; for the reserved account there is none.
func (s reservingSigner) Queue(ctx context.Context, address common.Address, caller string, weight int) (extapi.Place, error) {
	if address == s.reserved {
		return nil, nil //nolint:nilnil // nothing is signed
	}
	return queueAt(ctx, s.Signer, address, caller, weight)
}

// Sign does not sign with the reserved account.
func (s reservingSigner) Sign(ctx context.Context, address common.Address, digest common.Hash) (extapi.Signed, error) {
	if address == s.reserved {
		return extapi.Signed{}, goneError{backend.ErrUnknownAccount}
	}
	return s.Signer.Sign(ctx, address, digest)
}
