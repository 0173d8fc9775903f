package hosting

import (
	"context"
	"fmt"
	"maps"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// Where several replicas serve what one store keeps, each service has a record that
// says whether it is served. It is not sealed: it says nothing else. Whoever keeps
// something of a service, so that it may be sent, has the store compare that record in
// the same change, and whoever signs reads it before. So what happens to a service at one
// replica binds all others from then on, also one that hears of it later, or that was
// stopped and goes on.
const keyServing = keyAll + "serving/" // and the id of the service

// The states of such a record.
const (
	serveMaking  = "making"  // one replica starts it for the first time
	serveOpen    = "open"    // all replicas serve it
	serveClosing = "closing" // one replica deletes it, or was about to
)

type serving struct {
	Version uint64 `json:"version"`
	State   string `json:"state"`
}

// servingRecord is the value of a service's record in a state. It is always the same, so
// that it can be compared without having been read.
func servingRecord(state string) []byte {
	return fmt.Appendf(nil, `{"version":1,"state":%q}`, state)
}

// Serving returns the key of the record that says whether a service is served, and the
// value that it has while it is. The key has no record once the service is deleted.
func Serving(id string) (key string, open []byte) { return keyServing + id, servingRecord(serveOpen) }

func decodeServing(text []byte) (state string, err error) {
	var s serving
	if err := config.DecodeJSON(text, &s); err != nil {
		return "", err
	}
	if err := isVersion(s.Version); err != nil {
		return "", err
	}
	switch s.State {
	case serveMaking, serveOpen, serveClosing:
		return s.State, nil
	default:
		return "", fmt.Errorf("state %.20q is unknown: a newer kvclef wrote it", s.State)
	}
}

// isVersion refuses what another version of kvclef may mean otherwise.
func isVersion(version uint64) error {
	if version != 1 {
		return fmt.Errorf("it is of another version of kvclef: version %d, want 1", version)
	}
	return nil
}

// shared reports whether other replicas serve the same.
func (r *Registry) shared() bool { return r.replica != "" }

// become is the change of a service from the state that it is in to another, "" for none.
func (c *contents) become(id, state string) rules.Change {
	change := rules.Change{Key: keyServing + id, Old: c.raw[keyServing+id]}
	if state != "" {
		change.New = servingRecord(state)
	}
	return change
}

// without is all but one service.
func (c *contents) without(id string) *contents {
	others := *c
	others.services = maps.Clone(c.services)
	delete(others.services, id)
	return &others
}

// announce keeps a service that is to be started, so that no other replica makes one that
// it excludes meanwhile. Nobody serves it yet.
func (r *Registry) announce(ctx context.Context, scope Scope, id string, entry record[config.HostedService]) error {
	return r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.admit(scope, entry.Document); err != nil {
			return nil, err
		}
		put, err := put(&r.shelf, keyService+id, entry)
		return []rules.Change{put, kept.become(id, serveMaking)}, err
	})
}

// publish has all replicas serve a service that was announced and has started, as it has.
func (r *Registry) publish(ctx context.Context, scope Scope, id string, entry record[config.HostedService]) error {
	return r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, there := kept.services[id]; !there || kept.serving[id] != serveMaking {
			return nil, refuse(ErrInUse, "the service %s was deleted while it was being made", id)
		}
		if _, err := kept.without(id).admit(scope, entry.Document); err != nil {
			return nil, err
		}
		put, err := put(&r.shelf, keyService+id, entry)
		put.Old = kept.raw[keyService+id]
		return []rules.Change{put, kept.become(id, serveOpen)}, err
	})
}

// retract removes a service that was announced and can't be served.
func (r *Registry) retract(ctx context.Context, id string) error {
	ctx, cancel := stopContext(ctx)
	defer cancel()
	err := r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, there := kept.services[id]; !there {
			return nil, errGone
		}
		if kept.serving[id] == serveOpen { // which is known only now
			return nil, fmt.Errorf("it is served all the same")
		}
		return kept.removeService(id), nil
	})
	if err != nil && err != errGone { //nolint:errorlint // as it was returned
		return fmt.Errorf("the service %s is kept, although it could not be made: delete it: %w", id, err)
	}
	r.told(id)
	return nil
}

var errGone = refuse(ErrNotFound, "the service is deleted already")

// removeService is the changes that remove a service.
func (c *contents) removeService(id string) []rules.Change {
	changes := []rules.Change{c.remove(keyService + id)}
	if c.raw[keyServing+id] != nil {
		changes = append(changes, c.become(id, ""))
	}
	return changes
}
