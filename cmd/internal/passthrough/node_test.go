package passthrough_test

import (
	"context"
	"os"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/extapi/proxy"
)

// node starts a geth.
func node(tb testing.TB) *devnet.DevNode {
	tb.Helper()
	if testing.Short() {
		tb.Skip("it needs geth")
	}
	geth, err := devnet.Geth(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "passthrough") //nolint:usetesting // a socket's path is short
	if err != nil {
		tb.Fatal(err)
	}
	n, err := devnet.StartDev(tb.Context(), geth, dir, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Stop(); err != nil {
			tb.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return n
}

// start starts a proxy on a free port.
func start(tb testing.TB, cfg proxy.Config) *proxy.Proxy {
	tb.Helper()
	cfg.Addr = "127.0.0.1:0"
	p, err := proxy.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Shutdown(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return p
}
