package main

import (
	"log/slog"
	"testing"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// tracingTo is a configuration with traces to a receiver.
func tracingTo(t *testing.T, endpoint string) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Tracing.Endpoint = endpoint
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// accountWatched approves everything, and is followed.
func accountWatched(t *testing.T, w *watch) *extapi.Account {
	t.Helper()
	account, err := extapi.NewAccount(extapi.Config{
		Decider: rules.ApproveAll{}, Signer: keyringSigner{backend.NewKeyring(0)}, Auditor: w.auditor(noAudit{}),
		ChainIDs: bigIDs([]uint64{1}), Observer: w.observer(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return account
}
