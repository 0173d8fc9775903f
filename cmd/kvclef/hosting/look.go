package hosting

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules"
)

// Find returns how a service of this process is, in whatever scope, and what runs of
// it, nil if nothing does. The error is [ErrNotFound] if there is none.
func (r *Registry) Find(id string) (Health, Running, error) {
	one := r.instance(id)
	if one == nil {
		return Health{}, nil, refuse(ErrNotFound, "no service has the id %.100q", id)
	}
	health, running := one.health()
	return health, running, nil
}

// All returns how the services of this process are, by their names and ids.
func (r *Registry) All() []Health {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]Health, 0, len(r.hosted))
	for _, one := range r.hosted {
		health, _ := one.health()
		all = append(all, health)
	}
	slices.SortFunc(all, func(a, b Health) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	return all
}

// ServiceIDs returns the ids of the services that records hold. It opens none: that
// takes no seal.
func ServiceIDs(ctx context.Context, records rules.Records) (map[string]bool, error) {
	ids := make(map[string]bool)
	err := records.EachRecord(ctx, keyService, func(key string, _ []byte) error {
		ids[strings.TrimPrefix(key, keyService)] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the hosted services: %w", err)
	}
	return ids, nil
}
