package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// TestStatusWithASilentNode: a node that does not answer takes nothing from what
// else is told.
func TestStatusWithASilentNode(t *testing.T) {
	t.Parallel()
	silent, end := make(chan struct{}), make(chan struct{})
	node := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(silent); <-end }))
	defer node.Close()
	defer close(end)
	vault, err := startEmbedded(t.Context(), embeddedOptions{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer vault.close()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "d")
	state, err := openDurable(t.Context(), cfg, durableOptions{path: cfg.DataDir, make: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := state.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	s := &signing{cfg: cfg, vaults: vault.vaults, state: state, log: slog.New(slog.DiscardHandler)}
	shown, err := policy.Load("policy.yaml", []byte("version: 1\nrules:\n  - {id: show, effect: allow, match: {kind: list}}\n"), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account, err := s.newAccount(keyringSigner{vault.vaults.keyring()}, nil, judging{&rules.Engine{Rules: []rules.Rule{shown}, Ledger: state.store}, true, nil}, []uint64{devChain})
	if err != nil {
		t.Fatal(err)
	}
	page := &statusPage{
		parts:     frontParts{chains: []uint64{devChain}, vaults: vault.vaults, node: newNode(node.URL, nil, time.Minute)},
		signatory: extapi.NewSignatory(account), log: s.log,
	}
	ctx, cancel := context.WithTimeout(localCaller(t.Context()), 2*time.Second)
	defer cancel()
	status := page.tell(ctx, serviceURLs{})
	select {
	case <-silent:
	default:
		t.Error("the node was not asked")
	}
	if status.Node.Reachable || len(status.Accounts) != 1 || len(status.Vaults) != 1 {
		t.Errorf("%+v", status)
	}
}
