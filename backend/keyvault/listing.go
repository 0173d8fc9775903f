package keyvault

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend"
)

// maxListed bounds a listing; a page has 25 keys.
const maxListed = 200_000

// candidate is a key to look at: a name, or one version of it.
type candidate struct {
	id      identifier
	listed  *azkeys.KeyProperties // nil for keys that the configuration names
	skipped *Skipped              // known to be no account without another request
}

// candidates returns the configured keys or, without any, all of the vault.
func (v *Vault) candidates(ctx context.Context) ([]candidate, error) {
	if len(v.keys) > 0 {
		found := make([]candidate, len(v.keys))
		for i, id := range v.keys {
			found[i] = candidate{id: id}
		}
		return found, nil
	}
	items, err := listPages(ctx, v, v.listing(), func(c *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesResponse] {
		return c.NewListKeyPropertiesPager(nil)
	}, func(page azkeys.ListKeyPropertiesResponse) []*azkeys.KeyProperties { return page.Value })
	if err != nil {
		return nil, err
	}
	found := make([]candidate, 0, len(items))
	seen := make(map[identifier]bool, len(items))
	for _, item := range items {
		id, err := parseIdentifier(string(deref(item.KID)))
		if err != nil {
			v.logger.Warn("the vault lists a key that can't be used", "error", err)
			continue
		}
		id.version = ""
		if seen[id.fold()] {
			continue
		}
		seen[id.fold()] = true
		c := candidate{id: id, listed: item}
		if deref(item.Managed) && !v.cfg.IncludeManaged {
			c.skipped = skip(id, SkipManaged, "belongs to a certificate")
		}
		found = append(found, c)
	}
	return found, nil
}

// versions lists the versions of a key, in no particular order.
func (v *Vault) versions(ctx context.Context, name string) ([]*azkeys.KeyProperties, error) {
	return listPages(ctx, v, v.listingVersions(name), func(c *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesVersionsResponse] {
		return c.NewListKeyPropertiesVersionsPager(name, nil)
	}, func(page azkeys.ListKeyPropertiesVersionsResponse) []*azkeys.KeyProperties { return page.Value })
}

// listPages reads all pages of a listing; empty pages in between are normal.
// It starts over when the client was replaced on the way.
func listPages[P any](ctx context.Context, v *Vault, op operation, start func(*azkeys.Client) *runtime.Pager[P], items func(P) []*azkeys.KeyProperties) ([]*azkeys.KeyProperties, error) {
	var owner *azkeys.Client
	var pager *runtime.Pager[P]
	var all []*azkeys.KeyProperties
	for pages := 0; pager == nil || pager.More(); pages++ {
		page, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (P, error) {
			if client != owner {
				owner, pager, all = client, start(client), nil
			}
			return pager.NextPage(ctx)
		})
		if err != nil {
			return nil, err
		}
		for _, item := range items(page) {
			if item != nil {
				all = append(all, item)
			}
		}
		if len(all) > maxListed || pages > maxListed {
			return nil, &backend.Error{
				Kind: backend.KindInvalid, NotSigned: true,
				Message: fmt.Sprintf("the listing of vault %s does not end after %d entries: name the keys in the configuration", v.cfg.Name, len(all)),
			}
		}
	}
	return all, nil
}
