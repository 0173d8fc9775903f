package extapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// The limits of go-ethereum's node, which Clef has over HTTP. Here they hold
// on every listener.
const (
	defaultMaxBody     = 5 << 20
	defaultMaxBatch    = 1000
	defaultMaxResponse = 25_000_000
)

// ServerConfig says where a server listens and what a caller may cost. Zero
// values take the defaults given at each field.
type ServerConfig struct {
	// IPCPath is the unix socket's path, or the named pipe's name on Windows;
	// "" turns IPC off.
	IPCPath string

	// IPCGroup is a group of the machine, by name or number, whose members may use the
	// socket too, which needs Users. Default: its owner alone.
	IPCGroup string

	// Users says who the users of the machine are who come by the socket. Default:
	// nil, whoever may use it is one principal, "local".
	Users *Users

	// HTTPAddr is host:port of the HTTP listener; "" turns HTTP off. Port 0
	// takes a free one, see [Server.HTTPAddr].
	HTTPAddr string

	// LoopbackOnly refuses an HTTPAddr that other machines can reach. Without it such
	// an address is served if it is encrypted and callers prove who they are.
	LoopbackOnly bool

	// TLS encrypts the HTTP listener. Default: it is in clear.
	TLS TLSConfig

	// Tokens name the callers of HTTP, see [Callers]. Default: nil, there are none.
	Tokens Tokens

	// VirtualHosts are the names that a Host header may have, beside IP
	// addresses; "*" allows any. Default: localhost.
	VirtualHosts []string

	// AllowedOrigins are the origins, such as https://wallet.example, whose
	// pages may call; "*" allows any. Default: none, so that a request with an
	// Origin header is refused.
	AllowedOrigins []string

	MaxBody      int64 // bytes of an HTTP body or IPC message; default 5 MiB
	MaxBatch     int   // calls in a batch; default 1000
	MaxResponse  int   // bytes of all results of a batch; default 25,000,000
	MaxHTTPConns int   // open HTTP connections; default 512
	MaxIPCConns  int   // open IPC connections; default 128
	MaxInFlight  int   // unanswered calls (a batch is one) of an IPC connection; default 256

	HeaderTimeout  time.Duration // for the headers of an HTTP request; default 10 s
	ReadTimeout    time.Duration // from a request's first byte to its last; default 30 s
	RequestTimeout time.Duration // of a call over HTTP, once read; default 30 s
	WriteTimeout   time.Duration // for a caller to take its answer; default 10 s
	IdleTimeout    time.Duration // of an HTTP connection between requests; default 120 s

	Release string       // what health_status answers; default: the version of the external API
	Logger  *slog.Logger // default: discard

	// Answers is the room for answers that are not taken, which other listeners of the process
	// share. Default: one of its own, by MaxResponse.
	Answers *AnswerRoom
}

// withDefaults returns the configuration with its zero values filled in.
func (c ServerConfig) withDefaults() ServerConfig {
	if c.VirtualHosts == nil {
		c.VirtualHosts = []string{"localhost"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.MaxBody, defaultMaxBody)
	setDefault(&c.MaxBatch, defaultMaxBatch)
	setDefault(&c.MaxResponse, defaultMaxResponse)
	setDefault(&c.MaxHTTPConns, 512)
	setDefault(&c.MaxIPCConns, 128)
	setDefault(&c.MaxInFlight, 256)
	setDefault(&c.HeaderTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 30*time.Second)
	setDefault(&c.RequestTimeout, 30*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.IdleTimeout, 120*time.Second)
	return c
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Check returns all that is wrong with a configuration, as far as that is seen without
// opening anything: values, the files of TLS, and the place of the socket.
func (c ServerConfig) Check() error {
	c = c.withDefaults()
	problems := []error{c.check()}
	if c.HTTPAddr != "" && c.TLS.on() && c.TLS.check() == nil {
		if _, err := NewTLSKeeper(c.TLS, c.Logger); err != nil {
			problems = append(problems, fmt.Errorf("%s.tls: %w", httpKeys, err))
		}
	}
	if c.IPCPath != "" {
		if err := checkPlace(c.IPCPath, c.IPCGroup); err != nil {
			problems = append(problems, fmt.Errorf("opening IPC endpoint %s: %w", c.IPCPath, err))
		}
	}
	return errors.Join(problems...)
}

// httpKeys are the configuration's of the HTTP listener.
const httpKeys = "listeners.http"

// check refuses a configuration that could not be served or would lift a
// limit: rpc reads a limit of zero or less as "none".
func (c ServerConfig) check() error {
	if c.IPCPath == "" && c.HTTPAddr == "" {
		return errors.New("no listener is configured: give an IPC path or an HTTP address")
	}
	problems := []error{c.checkUsers(), c.TLS.check()}
	if c.HTTPAddr != "" {
		problems = append(problems, c.checkAddr())
	}
	for name, limit := range map[string]int64{
		"MaxBody": c.MaxBody, "MaxBatch": int64(c.MaxBatch), "MaxResponse": int64(c.MaxResponse),
		"MaxHTTPConns": int64(c.MaxHTTPConns), "MaxIPCConns": int64(c.MaxIPCConns), "MaxInFlight": int64(c.MaxInFlight),
		"HeaderTimeout": int64(c.HeaderTimeout), "ReadTimeout": int64(c.ReadTimeout), "RequestTimeout": int64(c.RequestTimeout),
		"WriteTimeout": int64(c.WriteTimeout), "IdleTimeout": int64(c.IdleTimeout),
	} {
		if limit < 0 {
			problems = append(problems, fmt.Errorf("limit %s is %d: give a positive number", name, limit))
		}
	}
	return errors.Join(problems...)
}

// checkAddr refuses an address of HTTP that is none, or that those can reach who may not.
func (c ServerConfig) checkAddr() error {
	if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
		return fmt.Errorf("HTTP address %q is not host:port: %w", c.HTTPAddr, err)
	}
	if c.LoopbackOnly && !Loopback(c.HTTPAddr) {
		return fmt.Errorf("HTTP address %q can be reached by other machines: use 127.0.0.1", c.HTTPAddr)
	}
	return CheckReach(httpKeys, c.HTTPAddr, c.TLS.on(), c.Tokens != nil || c.TLS.ClientCAFile != "")
}

// Loopback reports whether an address host:port is reached from this machine
// only. A name other than localhost may be anything.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
