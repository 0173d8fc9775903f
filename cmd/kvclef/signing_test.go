package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// TestASignalWhileListenersOpenIsNoFailure covers a signal between the opening
// of the socket and that of the HTTP port.
func TestASignalWhileListenersOpenIsNoFailure(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "signer.ipc")
	cfg := config.Default()
	cfg.ChainIDs = []uint64{devChain}
	cfg.Listeners.IPC.Path, cfg.Listeners.HTTP.Enabled, cfg.Listeners.HTTP.Port = socket, true, 0
	opened := make(chan addresses, 1)
	signer := &signing{
		cfg: cfg, state: new(durable), decider: rules.NoRules{}, loopbackOnly: true, log: slog.New(slog.DiscardHandler),
		ready: func(open addresses, _ []rules.Account) error { opened <- open; return nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := signer.run(ctx); err != nil {
		t.Fatalf("ended with %v, want no error", err)
	}
	if open := <-opened; open.ipc != socket || open.http == "" {
		t.Errorf("opened %+v", open)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}
