package hosting

import (
	"context"
	"net/http"
)

// Runner starts services. It is called for several at the same time.
type Runner interface {
	// Start runs a service. The context bounds the starting alone: when it ends,
	// Start returns soon, and a service that is running goes on. The error is fit
	// for the operator: it says what was wrong and shows no secret. After an error
	// nothing is left running.
	//
	// A service without a policy of its own, which has no PolicySource, is decided
	// by the process's. A policy of its own is loaded from PolicySource, never from
	// its path. One that hands over to a further file must be refused: that file is
	// not attested.
	Start(ctx context.Context, service Service, configuration Configuration) (Running, error)
}

// Running is a service that was started. Its methods are called at the same time.
type Running interface {
	// Status tells how the service is, as what encodes to a JSON object.
	Status(ctx context.Context) (any, error)

	// Handler answers JSON-RPC, over HTTP and WebSocket, and GET /status. It is
	// asked for once. Paths are relative to the service, "/" is its own.
	Handler() http.Handler

	// ChainIDs are the chains that it signs for: the service's own, or its node's if
	// it names none. They don't change.
	ChainIDs() []uint64

	// Pause has calls that may sign refused from here on, or taken again, on
	// connections that are open too. It returns how many are being answered.
	Pause(on bool) (answering int)

	// InFlight is the number of transactions that are under way: from before the
	// vault is asked until they are mined or given up.
	InFlight() int

	// Stop refuses further requests, waits for those that are being answered until
	// the context ends, and frees everything. What is under way stays in the store.
	// It is called once.
	Stop(ctx context.Context) error
}
