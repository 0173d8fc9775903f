package extapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
)

// Intake says how callers connect to an HTTP server.
type Intake struct {
	// MaxConns is how many connections may be open. When all are, the one makes room for
	// a new one that was answered the longest ago without its body, see [Early], else the
	// one that has sent nothing for the longest, or else the one that has rested the
	// longest between requests. One of several callers has no more of them for requests that
	// are being answered than are left, see [Callers.Identify].
	MaxConns int

	// TLS encrypts, and names the callers. Default: nil, in clear.
	TLS *TLSKeeper

	// Refused logs connections that are refused, see [RefusalLog].
	Refused func(kind string, attrs ...any)

	// Logger is told for debugging what else the server says of connections.
	Logger *slog.Logger
}

// Attach prepares a server that does not serve yet, and returns the listener that it
// is to serve: the server speaks HTTP/1.1 alone, and a request's context tells
// [TLSKeeper.Principal] of its connection.
func (i Intake) Attach(server *http.Server, listener net.Listener) net.Listener {
	limited := limitListener(listener, i.MaxConns, func(why string) {
		i.Refused(refusedConnection, slog.String("transport", "http"), slog.String("reason", why))
	})
	waiting := newNewcomers(i.MaxConns)
	limited.makeRoom = waiting.dismiss
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.ConnState = waiting.follow
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return waiting.attach(withPeer(ctx), conn)
	}
	server.ErrorLog = slog.NewLogLogger(connectionLog{i.Logger.Handler(), i.Refused}, slog.LevelDebug)
	if i.TLS == nil {
		return limited
	}
	return tls.NewListener(limited, i.TLS.config())
}
