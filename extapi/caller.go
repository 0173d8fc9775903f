package extapi

import (
	"context"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// callerKey is the context's key of an asker.
type callerKey struct{}

// asker is who asks, as a listener proves it.
type asker struct {
	caller    rules.Caller
	principal string
}

// WithCaller says who asks by the requests of a context: a listener's own word,
// in place of what the rpc package knows of the connection. The transport is one
// that a policy knows as listener; an empty principal is nobody.
func WithCaller(ctx context.Context, caller rules.Caller, principal string) context.Context {
	return context.WithValue(ctx, callerKey{}, asker{caller, principal})
}

// whoAsks returns the caller of a request and its principal.
func whoAsks(ctx context.Context) (rules.Caller, string) {
	if known, ok := ctx.Value(callerKey{}).(asker); ok {
		return known.caller, known.principal
	}
	caller := callerOf(rpc.PeerInfoFromContext(ctx))
	return caller, principalOf(caller)
}

// PrincipalOf returns who asks by the requests of a context, [Anonymous] where
// nothing proves it, "" where nobody does.
func PrincipalOf(ctx context.Context) string {
	_, principal := whoAsks(ctx)
	return principal
}

// Anonymous is the principal of everybody who comes over HTTP without a
// certificate. No certificate can have that name, nor principalLocal, the callers'
// of the socket.
const (
	Anonymous      = "anonymous"
	principalLocal = "local"
)

// principalOf returns who asks, as far as the listener proves it: the socket's
// mode admits one user, HTTP without certificates admits everybody. What the caller says of itself has
// no part in it, and who came no known way is nobody.
func principalOf(caller rules.Caller) string {
	switch caller.Transport {
	case ipcTransport:
		return principalLocal
	case httpTransport:
		return Anonymous
	default:
		return ""
	}
}

// callerOf describes the peer as Clef's meta object does. The transport is the
// listener's own word, and its zero value is no listener's.
func callerOf(peer rpc.PeerInfo) rules.Caller {
	if peer.Transport == ipcTransport {
		return ipcCaller()
	}
	return rules.Caller{
		Transport: peer.Transport,
		Remote:    peer.RemoteAddr,
		Local:     peer.HTTP.Host,
		UserAgent: peer.HTTP.UserAgent,
		Origin:    peer.HTTP.Origin,
	}
}

// The transports. The callers of ipc say nothing of themselves.
const (
	ipcTransport  = "ipc"
	httpTransport = "http"
)

// ipcCaller is every caller of the socket.
func ipcCaller() rules.Caller {
	return rules.Caller{Transport: ipcTransport, Remote: "NA", Local: "NA"}
}
