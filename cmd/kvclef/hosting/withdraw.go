package hosting

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/rules"
)

// withdraw deletes a service that other replicas serve, too, and returns what runs of it
// here, to be stopped. First the store is told that it is served no more. From then on no
// replica keeps anything of it, so that what is under way can be counted: what others are
// answering at that moment is refused there, and not sent. Only then it is removed.
func (r *Registry) withdraw(ctx context.Context, scope Scope, id string, force bool) (err error) {
	if !force { // nothing is disturbed in vain
		if err := r.idle(ctx, id); err != nil {
			return err
		}
	}
	one := r.instance(id)
	if one != nil && one.service.Scope == scope {
		switch busy := one.quiesce(force); {
		case errors.Is(busy, errNotRunning): // the records tell what is under way
		case busy != nil:
			return busy
		default:
			defer func() {
				if err != nil && !errors.Is(err, ErrNotFound) {
					one.resume()
				}
			}()
		}
	}
	if force { // nothing is counted, and so nothing closed before
		return r.change(ctx, func(kept *contents) ([]rules.Change, error) {
			if _, err := kept.service(scope, id); err != nil {
				return nil, err
			}
			return kept.removeService(id), nil
		})
	}
	was, err := r.shut(ctx, scope, id)
	if err != nil {
		return err
	}
	err = r.removeShut(ctx, scope, id)
	if inUse := errors.Is(err, ErrInUse); inUse || err != nil && was == serveOpen && !errors.Is(err, ErrNotFound) {
		return errors.Join(err, r.reopen(ctx, id, was))
	}
	return err
}

// removeShut removes a service that is not served. What is under way is counted after that
// is read, and nothing is removed if anything was changed since: another who was deleting
// it may have had it served for a while.
func (r *Registry) removeShut(ctx context.Context, scope Scope, id string) error {
	return r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.service(scope, id); err != nil {
			return nil, err
		}
		if kept.serving[id] == serveOpen {
			return nil, refuse(ErrInUse, "the service is served again, by another who was deleting it: delete it anew")
		}
		return kept.removeService(id), r.idle(ctx, id)
	})
}

// idle refuses a service that has transactions under way, by the records.
func (r *Registry) idle(ctx context.Context, id string) error {
	n, err := r.underWay(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("counting what the service has under way: %w", err)
	case n > 0:
		return refuse(ErrInUse, "the service has %d transactions under way: wait for them; ?force=true deletes it all the same", n)
	default:
		return nil
	}
}

// shut has no replica serve a service any more, and returns how it was before.
func (r *Registry) shut(ctx context.Context, scope Scope, id string) (was string, err error) {
	err = r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.service(scope, id); err != nil {
			return nil, err
		}
		if was = kept.serving[id]; was != serveOpen {
			return nil, errShut
		}
		return []rules.Change{kept.become(id, serveClosing)}, nil
	})
	if err == errShut { //nolint:errorlint // as it was returned
		return was, nil
	}
	return was, err
}

var errShut = errors.New("it is not served")

// reopen has a service served again that was not deleted after all. One that is only
// being made is not served for that.
func (r *Registry) reopen(ctx context.Context, id, was string) error {
	if was == serveMaking {
		return nil
	}
	ctx, cancel := stopContext(ctx)
	defer cancel()
	err := r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if kept.serving[id] != serveClosing { // another has seen to it
			return nil, errShut
		}
		return []rules.Change{kept.become(id, serveOpen)}, nil
	})
	if err != nil && err != errShut { //nolint:errorlint // as it was returned
		return fmt.Errorf("and no replica serves it until deleting it is tried again: %w", err)
	}
	return nil
}
