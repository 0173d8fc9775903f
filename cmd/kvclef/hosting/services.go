package hosting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// CreateService starts the service of a document in JSON, and keeps it. One that
// can't be started leaves nothing.
func (r *Registry) CreateService(ctx context.Context, scope Scope, document []byte) (Service, error) {
	parsed, err := config.ParseHostedService(document)
	if err != nil {
		return Service{}, refuse(ErrInvalid, "the service: %w", err)
	}
	starting, _, done, err := r.begin(ctx)
	if err != nil {
		return Service{}, err
	}
	defer done()
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return Service{}, err
	}
	used, err := kept.admit(scope, parsed)
	if err != nil {
		return Service{}, err
	}
	source, hash, err := readPolicy(parsed.Details)
	if err != nil {
		return Service{}, refuse(ErrInvalid, "details.policy: %w", err)
	}
	parsed.Details.PolicySHA256 = hash
	entry := newRecord(scope, parsed)
	service := serviceOf(freeID(kept.services), entry)
	service.PolicySource = source
	if r.shared() {
		defer r.occupy(service.ID)()
		if err := r.announce(ctx, scope, service.ID, entry); err != nil {
			return Service{}, err
		}
	}
	running, err := r.start(starting, service, used)
	if err != nil {
		return Service{}, errors.Join(refuse(ErrNotStarted, "starting the service: %w", err), r.undo(ctx, service.ID))
	}
	if len(parsed.Details.ChainIDs) == 0 { // what the node tells later changes nothing
		parsed.Details.ChainIDs = running.ChainIDs()
		entry.Document.Details.ChainIDs, service.Details.ChainIDs = parsed.Details.ChainIDs, parsed.Details.ChainIDs
	}
	one := newInstance(service, used)
	one.adopt(running)
	if err := r.keep(ctx, scope, service.ID, entry); err != nil {
		return Service{}, errors.Join(err, r.stop(ctx, one), r.undo(ctx, service.ID))
	}
	if !r.host(one) {
		return service, r.stop(ctx, one) // it starts with the next process
	}
	r.log.InfoContext(ctx, "Hosted service created", "id", service.ID, "name", service.Name, "vault", used.Name,
		"policy", service.Details.Policy, "policy_sha256", hash, "consortium", scope.Consortium, "environment", scope.Environment)
	return service, nil
}

// keep keeps a service that has started.
func (r *Registry) keep(ctx context.Context, scope Scope, id string, entry record[config.HostedService]) error {
	if r.shared() {
		return r.publish(ctx, scope, id, entry)
	}
	return r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.admit(scope, entry.Document); err != nil {
			return nil, err
		}
		put, err := put(&r.shelf, keyService+id, entry)
		return []rules.Change{put}, err
	})
}

// undo removes what is kept of a service that can't be served.
func (r *Registry) undo(ctx context.Context, id string) error {
	if !r.shared() {
		return nil // nothing is yet
	}
	return r.retract(ctx, id)
}

// host lets requests reach a service. It reports false if the registry is closed.
func (r *Registry) host(one *instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.hosted[one.service.ID] = one
	return true
}

// admit returns the configuration of a service that there may be.
func (c *contents) admit(scope Scope, s config.HostedService) (Configuration, error) {
	used, err := c.configuration(scope, s.Details.CloudHSMID)
	switch {
	case err != nil:
		return Configuration{}, refuse(ErrInvalid, "details.cloudhsm_id: %s", err.Error()) // not that the service is not found
	case used.MembershipID != s.MembershipID:
		return Configuration{}, refuse(ErrInvalid, "membership_id: the configuration %s is of another membership", used.ID)
	case len(c.services) >= MaxServices:
		return Configuration{}, refuse(ErrInUse, "there are %d services, the most that there may be: delete one", MaxServices)
	}
	return used, c.vaultIsFree(used, s.Details.ChainIDs)
}

// vaultIsFree refuses a service that would give the nonces which another gives. One
// that does not run gives some too: what it has sent may be under way.
func (c *contents) vaultIsFree(used Configuration, chains []uint64) error {
	for _, other := range c.services {
		of, ok := c.configurations[other.Details.CloudHSMID]
		if !ok || of.Vault.Host() != used.Vault.Host() {
			continue
		}
		if len(chains) == 0 && len(other.Details.ChainIDs) == 0 { // of one that is being made that is not known yet
			return refuse(ErrInUse, "the service %s, with the vault %s, is being made, and its chain is not known yet: name the chains in details.chain_ids, or try again later", other.ID, used.Vault.URL)
		}
		for _, chain := range chains {
			if len(other.Details.ChainIDs) == 0 || slices.Contains(other.Details.ChainIDs, chain) {
				return refuse(ErrInUse, "the accounts of the vault %s send on chain %d for the service %s, and a second service would give the same nonces: use that, or another vault",
					used.Vault.URL, chain, other.ID)
			}
		}
	}
	return nil
}

// Services returns those of a scope, the oldest first.
func (r *Registry) Services(ctx context.Context, scope Scope) ([]Service, error) {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Service, 0, len(kept.services))
	for _, s := range kept.services {
		if s.Scope == scope {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b Service) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// Service returns one of a scope.
func (r *Registry) Service(ctx context.Context, scope Scope, id string) (Service, error) {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return Service{}, err
	}
	return kept.service(scope, id)
}

func (c *contents) service(scope Scope, id string) (Service, error) {
	found, ok := c.services[id]
	if !ok || found.Scope != scope {
		return Service{}, refuse(ErrNotFound, "no service here has the id %.100q", id)
	}
	return found, nil
}

// DeleteService removes a service and stops it. Without force one that has
// transactions under way is left as it is, and so is one that does not run, of
// which that is not known.
func (r *Registry) DeleteService(ctx context.Context, scope Scope, id string, force bool) error {
	one := r.instance(id)
	if one != nil && one.service.Scope != scope {
		one = nil
	}
	// One that runs here and is not kept, as another process deleted it, is stopped.
	if _, err := r.Service(ctx, scope, id); err != nil && (one == nil || !errors.Is(err, ErrNotFound)) {
		return err
	}
	remove := r.remove
	if r.shared() {
		defer r.occupy(id)()
		remove = r.withdraw
	}
	if err := remove(ctx, scope, id, force); err != nil && (one == nil || !errors.Is(err, ErrNotFound)) {
		return err
	}
	r.log.InfoContext(ctx, "Hosted service deleted", "id", id, "force", force, "consortium", scope.Consortium, "environment", scope.Environment)
	if one == nil {
		r.told(id)
		return nil
	}
	r.mu.Lock()
	if r.hosted[id] == one {
		delete(r.hosted, id)
	}
	r.mu.Unlock()
	if err := r.stop(ctx, one); err != nil {
		return fmt.Errorf("the service is deleted, and it is not known whether all of it has ended: %w", err)
	}
	r.told(id)
	return nil
}

// remove removes a service that nobody else serves, which lets nothing in any more then.
func (r *Registry) remove(ctx context.Context, scope Scope, id string, force bool) error {
	one := r.instance(id)
	if one != nil && one.service.Scope != scope {
		one = nil
	}
	if one == nil && !force {
		return errNotRunning
	}
	if one != nil {
		if err := one.quiesce(force); err != nil {
			return err
		}
	}
	err := r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.service(scope, id); err != nil {
			return nil, err
		}
		return []rules.Change{kept.remove(keyService + id)}, nil
	})
	if err != nil && one != nil && !errors.Is(err, ErrNotFound) {
		one.resume()
	}
	return err
}

var errNotRunning = refuse(ErrInUse, "the service does not run, so that it is not known whether it has transactions under way; ?force=true deletes it all the same")

// instance returns what runs of a service, nil if nothing does here.
func (r *Registry) instance(id string) *instance {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.hosted[id]
}
