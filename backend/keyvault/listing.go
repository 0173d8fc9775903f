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

// candidates passes on the configured keys or, without any, all of the vault,
// page by page as they come.
func (v *Vault) candidates(ctx context.Context, pass func([]candidate)) error {
	if len(v.keys) > 0 {
		found := make([]candidate, len(v.keys))
		for i, id := range v.keys {
			found[i] = candidate{id: id}
		}
		pass(found)
		return nil
	}
	seen := make(map[identifier]bool)
	return listPages(ctx, v, v.listing(), func(c *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesResponse] {
		return c.NewListKeyPropertiesPager(nil) // what was passed on before it is skipped as seen
	}, func(page azkeys.ListKeyPropertiesResponse) int {
		found := make([]candidate, 0, len(page.Value))
		for _, item := range page.Value {
			if c, ok := v.newCandidate(item); ok && !seen[c.id.fold()] {
				seen[c.id.fold()] = true
				found = append(found, c)
			}
		}
		pass(found)
		return len(page.Value)
	})
}

func (v *Vault) newCandidate(item *azkeys.KeyProperties) (candidate, bool) {
	if item == nil {
		return candidate{}, false
	}
	id, err := parseIdentifier(string(deref(item.KID)))
	if err != nil {
		v.logger.Warn("the vault lists a key that can't be used", "error", err)
		return candidate{}, false
	}
	id.version = ""
	c := candidate{id: id, listed: item}
	if deref(item.Managed) && !v.cfg.IncludeManaged {
		c.skipped = skip(id, SkipManaged, "belongs to a certificate")
	}
	return c, true
}

// versions lists the versions of a key, in no particular order.
func (v *Vault) versions(ctx context.Context, name string) ([]*azkeys.KeyProperties, error) {
	var all []*azkeys.KeyProperties
	err := listPages(ctx, v, v.listingVersions(name), func(c *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesVersionsResponse] {
		all = nil
		return c.NewListKeyPropertiesVersionsPager(name, nil)
	}, func(page azkeys.ListKeyPropertiesVersionsResponse) int {
		for _, item := range page.Value {
			if item != nil {
				all = append(all, item)
			}
		}
		return len(page.Value)
	})
	return all, err
}

// listPages reads all pages of a listing; empty pages in between are normal.
// It starts over when the client was replaced on the way. take returns how many
// items a page has.
func listPages[P any](ctx context.Context, v *Vault, op operation, start func(*azkeys.Client) *runtime.Pager[P], take func(P) int) error {
	var owner *azkeys.Client
	var pager *runtime.Pager[P]
	items := 0
	for pages := 0; pager == nil || pager.More(); pages++ {
		page, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (P, error) {
			if client != owner {
				owner, pager = client, start(client)
			}
			return pager.NextPage(ctx)
		})
		if err != nil {
			return err
		}
		if items += take(page); items > maxListed || pages > maxListed {
			return &backend.Error{
				Kind: backend.KindInvalid, NotSigned: true,
				Message: fmt.Sprintf("the listing of vault %s does not end after %d entries: name the keys in the configuration", v.cfg.Name, items),
			}
		}
	}
	return nil
}
