package extapi

import (
	"cmp"
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
	peer := rpc.PeerInfoFromContext(ctx)
	return callerOf(peer), principalOf(peer)
}

// PrincipalOf returns who asks by the requests of a context, [Anonymous] where
// nothing proves it, "" where nobody does.
func PrincipalOf(ctx context.Context) string {
	_, principal := whoAsks(ctx)
	return principal
}

// Anonymous is the principal of everybody who comes over HTTP and proves nothing. No
// certificate and no token can have that name, nor Local, that of the callers
// of a socket that tells nobody apart.
const (
	Anonymous = "anonymous"
	Local     = "local"
)

// principalOf returns who asks, as far as the listener proves it: over the socket that
// is the user of the machine, see [Users], over HTTP without proofs everybody. What the
// caller says of itself has no part in it, and who came no known way is nobody.
func principalOf(peer rpc.PeerInfo) string {
	switch peer.Transport {
	case ipcTransport:
		return cmp.Or(peer.RemoteAddr, Local) // the listener's own word, see exchange; in the same process there is none
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
