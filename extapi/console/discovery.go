package console

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
)

// discovery is what the issuer says of itself, which is kept once it is known. It is asked
// once for all who wait, and each waits no longer than it is there: an issuer
// that hangs must not have sign-ins wait for each other.
type discovery struct {
	mu       sync.Mutex
	provider *oidc.Provider // nil until it has answered once
	asking   *question      // nil: nobody asks
	cancel   context.CancelFunc
	closed   bool
	running  sync.WaitGroup
}

// question is one to the issuer.
type question struct {
	answered chan struct{} // closed when the rest is set
	provider *oidc.Provider
	err      error
}

var errStopping = errors.New("the signer is stopping")

// find returns what the issuer says of itself, which ask asks it for.
func (d *discovery) find(ctx context.Context, ask func(context.Context) (*oidc.Provider, error)) (*oidc.Provider, error) {
	asked, known, err := d.begin(ctx, ask)
	if known != nil || err != nil {
		return known, err
	}
	select {
	case <-asked.answered:
		return asked.provider, asked.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the issuer: %w", ctx.Err())
	}
}

// begin returns what is known, or else a question that is on its way.
func (d *discovery) begin(ctx context.Context, ask func(context.Context) (*oidc.Provider, error)) (*question, *oidc.Provider, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.provider != nil:
		return nil, d.provider, nil
	case d.closed:
		return nil, nil, errStopping
	case d.asking != nil:
		return d.asking, nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerTimeout) // others wait for it too
	asked := &question{answered: make(chan struct{})}
	d.asking, d.cancel = asked, cancel
	d.running.Go(func() {
		defer cancel()
		asked.provider, asked.err = ask(ctx)
		d.mu.Lock()
		d.asking, d.provider = nil, asked.provider
		d.mu.Unlock()
		close(asked.answered)
	})
	return asked, nil, nil
}

// close asks no more.
func (d *discovery) close() {
	d.mu.Lock()
	d.closed = true
	if d.cancel != nil {
		d.cancel()
	}
	d.mu.Unlock()
	d.running.Wait()
}

// ask asks the issuer what it is.
func (i *issuer) ask(ctx context.Context) (*oidc.Provider, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.cfg.Client), i.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking the issuer who it is: %w", err)
	}
	return provider, nil
}

func (i *issuer) close() { i.discovery.close() }
