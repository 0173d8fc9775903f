package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// Config says what a proxy answers, where the rest goes and what a caller may
// cost. Zero values take the defaults given at each field.
type Config struct {
	// Node is where everything else goes: http(s)://, ws(s)://, or the path of
	// an IPC socket. Credentials in it (user:password@) become basic
	// authentication. Required.
	Node string

	// NodeWS is where the connections of WebSocket clients go when Node is
	// http(s): ws(s):// or an IPC path of the same node. Without it each of their
	// messages is one POST, and they have no subscriptions.
	NodeWS string

	// NodeHeaders are sent to the node with every request and handshake, such as
	// Authorization. They are secret.
	NodeHeaders http.Header

	// NodeTLS is for https and wss. Default: the system's roots, TLS 1.2.
	NodeTLS *tls.Config

	// Methods are answered here, by exact name. A name that differs from one in
	// case only is refused.
	Methods map[string]Method

	// Allow and Deny say which methods reach the node. An entry is a name, or the
	// beginning of names with "*" after it: "debug_*". Deny is asked first, without
	// regard to case; then Allow, exactly; then [DeniedByDefault], without regard
	// to case. What none knows passes.
	Allow, Deny []string

	// Pages returns what answers a request that is not the proxy's, nil for one that
	// is. It is asked after caller, host and origin were checked, and the context of
	// the page's request tells of the caller. Default: none.
	Pages func(*http.Request) http.Handler

	// Addr is host:port of the listener of [Proxy.Start]; port 0 takes a free one.
	// Without it the proxy is mounted as an http.Handler.
	Addr string

	// LoopbackOnly refuses an Addr that other machines can reach.
	LoopbackOnly bool

	// VirtualHosts are the names that a Host header may have, beside IP
	// addresses; "*" allows any. Default: localhost.
	VirtualHosts []string

	// AllowedOrigins are the origins whose pages may call, such as
	// https://app.example; "*" allows any. Default: none.
	AllowedOrigins []string

	// Callers encrypts the listener, and tells who asks. A proxy that is mounted is
	// given that of the listener that it is mounted on. It is asked for each request,
	// for each message on a WebSocket, and from time to time while there is none.
	// Default: in clear, and everybody is [extapi.Anonymous].
	Callers extapi.Callers

	// Observer is told of every call. Default: nobody.
	Observer Observer

	MaxBody       int64 // bytes of a request or of a client's WebSocket message; default 5 MiB
	MaxBatch      int   // calls in a batch; default 1000
	MaxAnswer     int64 // bytes of an answer of the node that is not streamed; default 64 MiB
	MaxHeld       int64 // bytes of such answers that are held for all callers, less 64 KiB for each request; default 4 × MaxAnswer
	MaxConns      int   // open connections of the listener; default 1024
	MaxWebSockets int   // open WebSocket connections; default 512. Where callers prove who they are, one has no more of them than are left
	MaxInFlight   int   // unanswered calls of a WebSocket connection, and messages on their way to its node; default 64
	MaxNodeCalls  int   // connections to an HTTP node; default 512. Where callers prove who they are, one has a quarter of them
	NodeLinks     int   // connections to a ws or IPC node that HTTP clients share, with one more for notifications; default 4

	HeaderTimeout time.Duration // for the headers of a request; default 10 s
	ReadTimeout   time.Duration // for a request's body; default 30 s
	WriteTimeout  time.Duration // for a caller to take a piece of an answer; default 30 s
	IdleTimeout   time.Duration // of an HTTP connection between requests; default 120 s
	PingInterval  time.Duration // between pings of a WebSocket, which must be answered within it; default 30 s
	MethodTimeout time.Duration // of a method that is answered here; default 60 s
	DialTimeout   time.Duration // for connecting to the node; default 10 s
	NodeTimeout   time.Duration // for the node to begin its answer, and between pieces of it; default 60 s

	// Answers is the room for listings that are not taken, which other listeners of the
	// process share. Default: one of its own, of 100 MB.
	Answers *extapi.AnswerRoom

	Logger *slog.Logger // default: discard
}

// withDefaults returns the configuration with its zero values filled in.
func (c Config) withDefaults() Config {
	if c.VirtualHosts == nil {
		c.VirtualHosts = []string{"localhost"}
	}
	if c.NodeTLS == nil {
		c.NodeTLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Answers == nil {
		c.Answers = extapi.NewAnswerRoom(25_000_000)
	}
	setDefault(&c.MaxBody, 5<<20)
	setDefault(&c.MaxBatch, 1000)
	setDefault(&c.MaxAnswer, 64<<20)
	setDefault(&c.MaxHeld, 4*c.MaxAnswer)
	setDefault(&c.MaxConns, 1024)
	setDefault(&c.MaxWebSockets, 512)
	setDefault(&c.MaxInFlight, 64)
	setDefault(&c.MaxNodeCalls, 512)
	setDefault(&c.NodeLinks, 4)
	setDefault(&c.HeaderTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 30*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.IdleTimeout, 120*time.Second)
	setDefault(&c.PingInterval, 30*time.Second)
	setDefault(&c.MethodTimeout, 60*time.Second)
	setDefault(&c.DialTimeout, 10*time.Second)
	setDefault(&c.NodeTimeout, 60*time.Second)
	return c
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// check refuses a configuration that could not be served or would lift a limit.
func (c Config) check() error {
	if c.Addr != "" {
		if _, _, err := net.SplitHostPort(c.Addr); err != nil {
			return fmt.Errorf("proxy address %q is not host:port: %w", c.Addr, err)
		}
		if c.LoopbackOnly && !extapi.Loopback(c.Addr) {
			return fmt.Errorf("proxy address %q can be reached by other machines: use 127.0.0.1", c.Addr)
		}
		if err := c.checkReach(c.Addr); err != nil {
			return err
		}
	}
	for name, limit := range map[string]int64{
		"MaxBody": c.MaxBody, "MaxBatch": int64(c.MaxBatch), "MaxAnswer": c.MaxAnswer, "MaxHeld": c.MaxHeld, "MaxConns": int64(c.MaxConns),
		"MaxWebSockets": int64(c.MaxWebSockets), "MaxInFlight": int64(c.MaxInFlight), "MaxNodeCalls": int64(c.MaxNodeCalls),
		"NodeLinks": int64(c.NodeLinks), "HeaderTimeout": int64(c.HeaderTimeout), "ReadTimeout": int64(c.ReadTimeout),
		"WriteTimeout": int64(c.WriteTimeout), "IdleTimeout": int64(c.IdleTimeout), "PingInterval": int64(c.PingInterval),
		"MethodTimeout": int64(c.MethodTimeout), "DialTimeout": int64(c.DialTimeout), "NodeTimeout": int64(c.NodeTimeout),
	} {
		if limit < 0 {
			return fmt.Errorf("limit %s is %d: give a positive number", name, limit)
		}
	}
	for name, method := range c.Methods {
		if method == nil || !plainMethod([]byte(name)) {
			return fmt.Errorf("method %q can't be answered: it needs a function and a name of printable ASCII", name)
		}
	}
	return nil
}

// checkReach refuses an address that other machines can reach, if it is not fit for
// them.
func (c Config) checkReach(addr string) error {
	return extapi.CheckReach("proxy", addr, c.Callers.TLS != nil, c.Callers.Named())
}

var errNoNode = errors.New("no node is configured: give http(s)://, ws(s):// or the path of an IPC socket")
