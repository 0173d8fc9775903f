package keyvault

import (
	"context"
	"net/http"
	"time"
)

// Observer is told of what goes to a vault: for metrics. It never blocks, and nothing
// that it does changes what becomes of a request.
type Observer interface {
	// Answered is told of a request that was sent, with the context that it was sent
	// with. The operation is one of [Operations], the status HTTP's, 0 if no answer came.
	Answered(ctx context.Context, vault, operation string, status int, took time.Duration)

	// Waiting and InFlight are told by how many there are more requests that wait for
	// their turn, and that are under way.
	Waiting(vault string, more int)
	InFlight(vault string, more int)

	// Retried is told that a request that failed in passing is sent again.
	Retried(vault, operation string)

	// HeldBack is told of a request that was not sent.
	HeldBack(vault string, why HeldBack)
}

// HeldBack is why a request was not sent.
type HeldBack string

// The reasons.
const (
	HeldByLimit   HeldBack = "limit"   // its turn would have come too late
	HeldByCircuit HeldBack = "circuit" // the vault is out of reach
)

// Operations returns what requests do, as an [Observer] is told it: the permissions
// of access policies.
func Operations() []string { return []string{"create", "get", "import", "list", "sign", "update"} }

// unobserved is told of what nobody observes.
type unobserved struct{}

func (unobserved) Answered(context.Context, string, string, int, time.Duration) {}
func (unobserved) Waiting(string, int)                                          {}
func (unobserved) InFlight(string, int)                                         {}
func (unobserved) Retried(string, string)                                       {}
func (unobserved) HeldBack(string, HeldBack)                                    {}

// statusOf is the HTTP status of an answer, 0 if there was none.
func statusOf(f *failure) int {
	if f == nil {
		return http.StatusOK
	}
	return f.fault.status
}
