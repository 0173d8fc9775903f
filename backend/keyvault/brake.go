package keyvault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend"
)

// Version is a version of a key.
type Version struct {
	Key     string
	Version string
	Address common.Address // zero: the vault did not tell the public key
}

func (n Version) String() string { return identifier{n.Key, n.Version}.String() }

// Connect checks the configuration like [Open] and asks the vault nothing: what it
// holds is not known until it is read by Refresh. It is for what must work in a
// vault whose keys can't all be read.
func Connect(cfg Config) (*Vault, error) { return newVault(cfg, defaultTuning()) }

// EnabledVersions returns the versions of a key that are enabled, or whether one version
// is if the key is NAME/VERSION. It asks the vault itself and leaves out only what
// can never sign for Ethereum: a version that is not valid yet, or that has not the
// right to sign, is one change away from it. With an error come those that are
// known of; others may be there.
func (v *Vault) EnabledVersions(ctx context.Context, key string) ([]Version, error) {
	id, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	ids := []identifier{id}
	var unlisted error
	if id.version == "" {
		if ids, unlisted = v.enabledOf(ctx, id); unlisted != nil {
			ids = append(ids, v.named(id.name)...)
		}
	}
	var found []Version
	seen := make(map[identifier]bool)
	for _, id := range ids {
		version, signs := v.look(ctx, id)
		if known := (identifier{version.Key, version.Version}).fold(); signs && !seen[known] {
			seen[known] = true
			found = append(found, version)
		}
	}
	return found, unlisted
}

// AsleepVersions reads those enabled versions that the last reading left out since they
// are not valid now, or have not the right to sign: time, or one change, makes each of
// them sign. One whose public key the vault did not tell comes without an address.
func (v *Vault) AsleepVersions(ctx context.Context) []Version {
	var ids []identifier
	for _, s := range v.held.Load().skipped {
		if id := (identifier{s.Key, s.Version}); s.Kind == SkipValidity || s.Kind == SkipRights {
			ids = append(ids, id)
		}
	}
	found, signs := make([]Version, len(ids)), make([]bool, len(ids))
	var group errgroup.Group
	group.SetLimit(readers)
	for i, id := range ids {
		group.Go(func() error { found[i], signs[i] = v.look(ctx, id); return nil })
	}
	_ = group.Wait() // a version that can't be read is one without an address
	var asleep []Version
	seen := make(map[identifier]bool)
	for i, version := range found {
		if id := (identifier{version.Key, version.Version}).fold(); signs[i] && !seen[id] {
			seen[id] = true
			asleep = append(asleep, version)
		}
	}
	return asleep
}

// enabledOf lists the versions of a key that are not disabled.
func (v *Vault) enabledOf(ctx context.Context, key identifier) (ids []identifier, err error) {
	listed, err := v.versions(ctx, key.name)
	if gone(err) {
		return nil, nil
	}
	for _, p := range listed {
		id, bad := parseIdentifier(string(deref(p.KID)))
		if bad != nil || id.version == "" {
			err = fmt.Errorf("key %s has a version in vault %s whose identifier can't be read: %q", key, v.cfg.Name, printable(string(deref(p.KID))))
			continue
		}
		if p.Attributes == nil || p.Attributes.Enabled == nil || *p.Attributes.Enabled {
			ids = append(ids, identifier{key.name, id.version})
		}
	}
	return ids, err
}

// named returns what is known of the versions of a key that can't be listed: the
// current one, and those of the configuration.
func (v *Vault) named(name string) []identifier {
	ids := []identifier{{name: name}}
	for _, id := range v.keys {
		if id.version != "" && (identifier{name: id.name}).fold() == (identifier{name: name}).fold() {
			ids = append(ids, id)
		}
	}
	return ids
}

// look reads a version, or the current one, and tells whether it signs or may come
// to. One that can't be read may.
func (v *Vault) look(ctx context.Context, id identifier) (Version, bool) {
	version := Version{Key: id.name, Version: id.version}
	bundle, err := call(ctx, v, v.getting(id), func(ctx context.Context, client *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return client.GetKey(ctx, id.name, id.version, nil)
	})
	if err != nil {
		_, skipped, _ := v.unread(id, &holdings{}, err)
		return version, skipped.Kind != SkipDisabled && skipped.Kind != SkipGone && id.version != "" // without, there is nothing to disable
	}
	e, skipped := newEntry(v.cfg.Name, id, bundle.KeyBundle, v.cfg.IncludeManaged, time.Now())
	if e != nil {
		version.Version, version.Address = e.account.Version, e.account.Address
	}
	if skipped == nil {
		return version, true
	}
	if skipped.Version != "" {
		version.Version = skipped.Version
	}
	switch skipped.Kind {
	case SkipDisabled, SkipManaged, SkipType, SkipCurve:
		return version, false
	}
	return version, version.Version != ""
}

// Disable disables a version of a key: the vault refuses to sign with it until
// somebody enables it again.
func (v *Vault) Disable(ctx context.Context, name, version string) error {
	id, err := newIdentifier([]string{name, version})
	if err != nil {
		return fmt.Errorf("disabling key %q: %w", printable(name), err)
	}
	op := v.writing("update", "update", id)
	op.once = false
	answer, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.UpdateKeyResponse, error) {
		return client.UpdateKey(ctx, name, version, azkeys.UpdateKeyParameters{
			KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)},
		}, nil)
	})
	if err != nil {
		return err
	}
	if answer.Attributes == nil || answer.Attributes.Enabled == nil || *answer.Attributes.Enabled {
		return &backend.Error{
			Kind: backend.KindInvalid, Cause: errors.New("the answer does not say that it is disabled"),
			Message: v.of(op.subject() + " is not disabled, says the answer of %s: look at it in the portal"),
		}
	}
	return v.replace(ctx, func(h *holdings) *holdings { return h.without(id) })
}
