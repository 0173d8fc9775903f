package main

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// hostedService is a hosted service that runs.
type hostedService struct {
	id      string
	signing *signing
	runner  *hostRunner
	uses    []string // of vaults on chains, which are given back
	vaults  vaultSet
	node    *nodeClient
	gate    gate // before all that may sign
	front   *front

	cancel context.CancelFunc // ends the work in the background
	work   sync.WaitGroup
}

// begin starts what goes on in the background, until Stop.
func (s *hostedService) begin(ctx context.Context, keyring *backend.Keyring) {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() {
		if err := s.front.outbox.Run(ctx); err != nil {
			s.signing.log.ErrorContext(ctx, "Transactions are not followed any more", "error", err)
		}
	})
	s.work.Go(func() { s.signing.refresh(ctx, keyring) })
}

// Status tells how the service is.
func (s *hostedService) Status(ctx context.Context) (any, error) {
	return s.front.status.tell(localCaller(ctx), serviceURLs{RPC: s.front.status.parts.path, WS: s.front.status.parts.path}), nil
}

// Handler answers JSON-RPC and GET /status.
func (s *hostedService) Handler() http.Handler { return s.front.proxy }

// ChainIDs are the chains that are signed for.
func (s *hostedService) ChainIDs() []uint64 { return s.front.status.parts.chains }

// Pause shuts the gate, or opens it, and returns how many calls are inside.
func (s *hostedService) Pause(on bool) int { return s.gate.set(on) }

// InFlight is the number of transactions under way.
func (s *hostedService) InFlight() int { return s.front.outbox.InFlight() }

// replace sends a transaction in the place of another, as one of the calls that are
// waited for when the service is stopped.
func (s *hostedService) replace(do func(*outbox.Outbox) error) error {
	if !s.gate.enter() {
		return errGateShut
	}
	defer s.gate.leave()
	return do(s.front.outbox)
}

// Stop ends the service. What is under way stays in the store.
func (s *hostedService) Stop(ctx context.Context) error {
	err := s.front.proxy.Shutdown(ctx)
	s.signing.outboxes.drop(s.front.status.parts.name, s.front.outbox)
	s.cancel()
	ended := make(chan struct{})
	go func() {
		s.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
		<-ended // the context of the work has ended, too
	}
	left := make(chan struct{})
	s.gate.end(func() {
		s.runner.owners.release(s.id) // not before: a call may still keep a transaction
		close(left)
	})
	select {
	case <-left:
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	s.free()
	return err
}

// free gives back what the service has of others.
func (s *hostedService) free() {
	if s.node != nil {
		s.node.close()
	}
	s.vaults.close()
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	for _, use := range s.uses {
		delete(s.runner.used, use)
	}
}
