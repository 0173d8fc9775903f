package hosting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// A service that can't be started is tried again after the first time, which
// doubles up to the last.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// Both are below what a client of the admin socket waits for an answer.
const (
	startTimeout = 20 * time.Second // for a service to start
	stopTimeout  = 15 * time.Second // for a service to stop
)

// begin returns a context for work that starts services. It ends by cancel, and
// when the registry is closed, which waits for done; not when a caller hangs up.
func (r *Registry) begin(ctx context.Context) (_ context.Context, cancel, done func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, nil, refuse(ErrClosing, "the process is being stopped")
	}
	ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.begun++
	n := r.begun
	r.cancels[n] = cancel
	r.work.Add(1)
	return ctx, cancel, func() {
		cancel()
		r.mu.Lock()
		delete(r.cancels, n)
		r.mu.Unlock()
		r.work.Done()
	}, nil
}

// StartAll starts all services that are kept, and returns before they are up. One
// that can't be started is tried again until it is deleted or the registry is
// closed. It is called once, before requests are served. The context bounds the
// reading alone.
func (r *Registry) StartAll(ctx context.Context) error {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return err
	}
	for id, service := range kept.services {
		if r.shared() && kept.serving[id] != serveOpen {
			continue // another replica is making it, or deleting it
		}
		if err := r.launch(ctx, service, kept.configurations[service.Details.CloudHSMID]); err != nil {
			return err
		}
	}
	if !r.shared() {
		return nil
	}
	ctx, _, done, err := r.begin(ctx)
	if err != nil {
		return err
	}
	go func() {
		defer done()
		r.follow(ctx)
	}()
	return nil
}

// launch starts a service that is kept, unless it runs here, or somebody sees to it.
func (r *Registry) launch(ctx context.Context, service Service, configuration Configuration) error {
	ctx, cancel, done, err := r.begin(ctx)
	if err != nil {
		return err
	}
	one := newInstance(service, configuration)
	one.cancel = cancel
	r.mu.Lock()
	wanted := r.hosted[service.ID] == nil && r.busy[service.ID] == 0 && !r.closed
	if wanted {
		r.hosted[service.ID] = one
	}
	r.mu.Unlock()
	if !wanted {
		done()
		return nil
	}
	go func() {
		defer done()
		r.tend(ctx, one)
	}()
	return nil
}

// tend starts a service, however often it takes.
func (r *Registry) tend(ctx context.Context, one *instance) {
	log := r.log.With("id", one.service.ID, "name", one.service.Name)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		running, err := r.restart(ctx, one)
		switch {
		case err == nil && one.adopt(running):
			log.InfoContext(ctx, "Hosted service started")
			return
		case err == nil:
			dismiss(ctx, log, running)
			return
		case ctx.Err() != nil:
			return // that is why
		}
		one.fail(err, time.Now().Add(wait))
		log.WarnContext(ctx, "Hosted service not started", "error", err, "next_try", wait)
		if !pause(ctx, wait) {
			return
		}
	}
}

// dismiss stops what was started too late, which nothing has reached.
func dismiss(ctx context.Context, log *slog.Logger, running Running) {
	ctx, cancel := stopContext(ctx)
	defer cancel()
	idle := make(chan struct{})
	close(idle)
	if err := stopRunning(ctx, running, idle); err != nil {
		log.WarnContext(ctx, "Hosted service that is not wanted any more did not stop", "error", err)
	}
}

// pause waits. It reports false if the context ends before.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// restart starts a service whose policy must be the one that it was.
func (r *Registry) restart(ctx context.Context, one *instance) (_ Running, err error) {
	service := one.service
	if one.configuration.ID == "" {
		return nil, fmt.Errorf("its configuration, %s, is not in the store any more: delete the service", service.Details.CloudHSMID)
	}
	if service.PolicySource, _, err = readPolicy(service.Details); err != nil {
		return nil, err
	}
	return r.start(ctx, service, one.configuration)
}

// start starts a service within its time.
func (r *Registry) start(ctx context.Context, service Service, configuration Configuration) (running Running, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errSlow)
	defer cancel()
	defer func() {
		if recover() != nil {
			// Its words may hold anything.
			r.log.ErrorContext(ctx, "Starting a hosted service panicked", "id", service.ID, "stack", string(debug.Stack()))
			running, err = nil, errors.New("it panicked, and the log has where: this is a defect")
		}
	}()
	running, err = r.runner.Start(ctx, service, configuration)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errSlow):
		return nil, fmt.Errorf("%w: %w", errSlow, err)
	case err != nil:
		return nil, err
	case running == nil:
		return nil, errors.New("nothing was started, and no reason given: this is a defect")
	}
	return running, nil
}

var errSlow = fmt.Errorf("it did not start within %s", startTimeout)

// stop stops what runs of a service, for good.
func (r *Registry) stop(ctx context.Context, one *instance) error {
	running := one.leave()
	if running == nil {
		return nil
	}
	ctx, cancel := stopContext(ctx)
	defer cancel()
	return stopRunning(ctx, running, one.idle)
}

// stopContext bounds the stopping of a service, whoever hangs up.
func stopContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
}

// stopRunning stops a service when it is idle, and at the latest when the context
// ends: what is being answered needs its vault and its node.
func stopRunning(ctx context.Context, running Running, idle <-chan struct{}) error {
	select {
	case <-idle:
	case <-ctx.Done():
	}
	if err := running.Stop(ctx); err != nil {
		return fmt.Errorf("stopping the service: %w", err)
	}
	return nil
}
