package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/keyvault"
)

// holding is a version that is enabled, and the vault that has it.
type holding struct {
	keyvault.Version
	vault *keyvault.Vault
}

// String is a version with its address.
func (h holding) String() string {
	address := h.Address.Hex()
	if h.Address == (common.Address{}) {
		address = "an unknown address"
	}
	return fmt.Sprintf("%s  %s  in vault %s", address, h.Version, h.vault.Name())
}

// same reports whether two are one version.
func (h holding) same(other holding) bool {
	return h.vault == other.vault && strings.EqualFold(h.Version.String(), other.Version.String())
}

// String is how messages name the vaults.
func (s vaultSet) String() string {
	var names []string
	for _, vault := range s {
		names = append(names, vault.Name())
	}
	if len(names) == 1 {
		return "vault " + names[0]
	}
	return "vaults " + strings.Join(names, ", ")
}

// find returns the versions that a text names and that are enabled; everywhere is also
// those that have the addresses of a key that it names. What is unknown says what may be
// left besides them. With an error it is not clear what is meant.
func find(ctx context.Context, vaults vaultSet, name string, everywhere bool) (found []holding, unknown, err error) {
	if common.IsHexAddress(name) {
		found, unknown = holders(ctx, vaults, []common.Address{common.HexToAddress(name)})
		return found, unknown, nil
	}
	var failures []error
	for _, vault := range vaults {
		versions, err := vault.EnabledVersions(ctx, name)
		if err != nil {
			failures = append(failures, fmt.Errorf("the versions of key %s in vault %s are not all known, so that some may go on signing: %w", name, vault.Name(), err))
		}
		var here []holding
		for _, version := range versions {
			here = append(here, holding{version, vault})
		}
		if err := namesOneKey(found, here, name); err != nil {
			return nil, nil, err
		}
		found = append(found, here...)
	}
	if addresses, _ := signersOf(found, name); everywhere && len(addresses) > 0 {
		all, unknown := holders(ctx, vaults, addresses)
		found = append(found, without(all, found)...)
		failures = append(failures, unknown)
	}
	return found, errors.Join(failures...), nil
}

// namesOneKey refuses a name under which two vaults hold different keys: one of them may not be meant.
func namesOneKey(there, here []holding, name string) error {
	a, _ := signersOf(there, name)
	b, _ := signersOf(here, name)
	if len(a) == 0 || len(b) == 0 || slices.ContainsFunc(b, func(address common.Address) bool { return slices.Contains(a, address) }) {
		return nil
	}
	return usagef("key %s is %s in vault %s and %s in vault %s: give the address that is meant, or choose the vault by --vault; nothing was disabled",
		name, a[0].Hex(), there[0].vault.Name(), b[0].Hex(), here[0].vault.Name())
}

// signersOf returns the addresses of versions that a text names, each once. An error
// tells of those whose address the vault did not tell.
func signersOf(found []holding, name string) (addresses []common.Address, nameless error) {
	if common.IsHexAddress(name) {
		return []common.Address{common.HexToAddress(name)}, nil
	}
	var failures []error
	for _, one := range found {
		switch {
		case one.Address == common.Address{}:
			failures = append(failures, fmt.Errorf("the address of %s in vault %s is not known, so that other keys may go on signing for it", one.Version, one.vault.Name()))
		case !slices.Contains(addresses, one.Address):
			addresses = append(addresses, one.Address)
		}
	}
	return addresses, errors.Join(failures...)
}

// holders returns the enabled versions that have one of the addresses. A vault finds none
// by it, so that all that could sign, now or later, are read.
func holders(ctx context.Context, vaults vaultSet, addresses []common.Address) (found []holding, unknown error) {
	var failures []error
	for _, vault := range vaults {
		if err := vault.Refresh(ctx); err != nil {
			failures = append(failures, fmt.Errorf("vault %s may go on signing for %s: %w", vault.Name(), listed(addresses), err))
			continue
		}
		for _, account := range vault.Accounts() {
			if slices.Contains(addresses, account.Address) {
				found = append(found, holding{keyvault.Version{Key: account.Key, Version: account.Version, Address: account.Address}, vault})
			}
		}
		for _, version := range vault.AsleepVersions(ctx) {
			switch {
			case version.Address == common.Address{}:
				failures = append(failures, fmt.Errorf("%s in vault %s can't be read, and may go on signing for %s: if it is a key of that address, kvclef keys disable %[1]s --vault %[2]s",
					version, vault.Name(), listed(addresses)))
			case slices.Contains(addresses, version.Address):
				found = append(found, holding{version, vault})
			}
		}
		if unread := unreadKeys(vault); unread != "" {
			failures = append(failures, fmt.Errorf("a key that can't be read may go on signing for %s: vault %s, %s", listed(addresses), vault.Name(), unread))
		}
	}
	return found, errors.Join(failures...)
}

// leftIn returns an error for each version in the vaults that goes on signing for one of
// the addresses, besides those that were to be disabled.
func leftIn(ctx context.Context, vaults vaultSet, addresses []common.Address, besides []holding, place string) error {
	if len(addresses) == 0 {
		return nil
	}
	found, unknown := holders(ctx, vaults, addresses)
	var failures []error
	for _, one := range without(found, besides) {
		failures = append(failures, fmt.Errorf("vault %s goes on signing for %s, by its key %s: run kvclef keys disable %[2]s%[4]s",
			one.vault.Name(), one.Address.Hex(), one.Version, place))
	}
	return errors.Join(append(failures, unknown)...)
}

// without returns what is not among others.
func without(all, others []holding) []holding {
	return slices.DeleteFunc(all, func(one holding) bool { return slices.ContainsFunc(others, one.same) })
}

func listed(addresses []common.Address) string {
	var texts []string
	for _, address := range addresses {
		texts = append(texts, address.Hex())
	}
	return strings.Join(texts, ", ")
}
