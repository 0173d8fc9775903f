// Package clefui lets a user interface that was made for Clef decide what rules
// refer to a person who has no name: it stands for no quorum. It speaks Clef's UI protocol (internal API 7.0.1): JSON-RPC on
// the standard streams, in which the signer asks and the interface answers.
//
// The package changes no request and signs nothing. An interface that answers with
// another transaction than it was asked about has not approved.
package clefui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
)

// RuleUI is the rule named in decisions of the user interface.
const RuleUI = "stdio-ui"

const (
	maxAsked      = 64              // questions that the interface has at a time
	notifyTimeout = 5 * time.Second // of one message that has no answer
)

// errGone is for questions to an interface that is not there any more.
var errGone = errors.New("the user interface is gone")

// errStopping is for questions when nobody may wait any more.
var errStopping = errors.New("the signer is stopping: nobody waits for the user interface any more")

var _ rules.Approver = (*UI)(nil)

// Options are those of a user interface. The zero value is usable, but for the
// Logger.
type Options struct {
	Ledger rules.Ledger // that the engine holds limits in; nil: there are no limits

	// Changes lets the interface answer with another transaction, which is then
	// decided anew; otherwise that is refused.
	Changes bool

	// Accounts are what the interface may list.
	Accounts func() []rules.Account

	// ChainID is the only chain that is signed for, nil if there are several.
	ChainID func() uint64

	Logger *slog.Logger
}

// UI is a user interface. It is safe for concurrent use.
type UI struct {
	options Options
	client  *rpc.Client
	places  chan struct{}   // one for each question
	life    context.Context //nolint:containedctx // of questions, that Hurry and Close end
	end     context.CancelCauseFunc
	close   func()
}

// Connect returns the interface at the other end of two streams. They are not
// closed.
func Connect(ctx context.Context, in io.Reader, out io.Writer, options Options) (*UI, error) {
	client, err := rpc.DialIO(ctx, in, out)
	if err != nil {
		return nil, fmt.Errorf("connecting to the user interface: %w", err)
	}
	u := &UI{options: options, client: client, places: make(chan struct{}, maxAsked)}
	u.life, u.end = context.WithCancelCause(context.WithoutCancel(ctx))
	u.close = sync.OnceFunc(func() {
		u.end(errGone)
		go client.Close() // it waits for the end of the input, which may never come
	})
	if err := client.RegisterName("clef", &callbacks{u}); err != nil {
		u.close()
		return nil, fmt.Errorf("registering what the user interface may call: %w", err)
	}
	return u, nil
}

// Hurry refuses what is asked, and all that would be. The interface is still told what is
// signed.
func (u *UI) Hurry() { u.end(errStopping) }

// why is why nobody is asked any more.
func (u *UI) why() error { return context.Cause(u.life) }

// Close ends the conversation. What is still asked is refused.
func (u *UI) Close() { u.close() }

// Start tells that the signer listens.
func (u *UI) Start(ctx context.Context, info clefargs.Startup) error {
	return u.notify(ctx, "ui_onSignerStartup", info)
}

// notify sends what has no answer.
func (u *UI) notify(ctx context.Context, method string, argument any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
	defer cancel()
	if err := u.client.Notify(ctx, method, argument); err != nil {
		return fmt.Errorf("telling the user interface %s: %w", method, err)
	}
	return nil
}

// tell shows a text to the user. What can't be shown is logged.
func (u *UI) tell(ctx context.Context, method, text string) {
	argument := struct {
		Text string `json:"text"`
	}{text}
	if err := u.notify(ctx, method, argument); err != nil {
		u.options.Logger.WarnContext(ctx, "User interface not told", "text", text, "error", err)
	}
}

// call asks, within the places that there are.
func (u *UI) call(ctx context.Context, result any, method string, argument any) error {
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	select {
	case u.places <- struct{}{}:
		defer func() { <-u.places }()
	case <-u.life.Done():
		return u.why()
	case <-ctx.Done():
		return fmt.Errorf("waiting to ask the user interface: %w", context.Cause(ctx))
	}
	stop := context.AfterFunc(u.life, func() { cancel(u.why()) }) //nolint:contextcheck // the conversation may end before the request
	defer stop()
	err := u.client.CallContext(asking, result, method, argument)
	switch {
	case err == nil:
		return nil
	case u.life.Err() != nil:
		return u.why()
	case errors.Is(err, rpc.ErrClientQuit):
		return errGone
	case ctx.Err() != nil:
		u.tell(ctx, "ui_showInfo", "A request was withdrawn, and is not signed: its caller did not wait")
		return fmt.Errorf("waiting for the user interface: %w", context.Cause(ctx))
	default:
		return fmt.Errorf("asking the user interface: %w", err)
	}
}
