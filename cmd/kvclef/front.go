package main

import (
	"context"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/ethereum/go-ethereum/params"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/extapi/proxy/wallet"
	"github.com/kvclef/kvclef/rules"
)

// nodePatience is how long a node that is starting is waited for where there is no
// going on without it.
const nodePatience = 15 * time.Second

// front is what stands in front of a node.
type front struct {
	node   *nodeClient
	outbox *outbox.Outbox
	proxy  *proxy.Proxy
	status *statusPage
}

// frontParts are what a front is made of.
type frontParts struct {
	name    string   // of the service, "" for none
	path    string   // where it is mounted, "" for a listener of its own
	chains  []uint64 // that are signed for
	vaults  vaultSet
	signer  extapi.Signer
	account *extapi.Account
	holds   func(context.Context, common.Address) bool // whether it sends for an account
	records rules.Records
	place   string       // of the records in the whole state, "" for all of it
	shared  rules.Shared // of the same store, nil if others don't send from it
	node    *nodeClient
	gate    *gate // before its methods, nil for none
	nodeWS  string

	maxFinished int // finished transactions that are kept, 0 for the default

	addr  string                           // host:port, if it has a listener of its own
	pages func(*http.Request) http.Handler // of that listener, nil for none
}

// openFront opens the listener for applications. The node may start later.
func (s *signing) openFront(ctx context.Context, account *extapi.Account, signer extapi.Signer, hosted *hostRunner) (*front, error) {
	cfg := &s.cfg.Proxy
	node, err := newNodeClient(cfg)
	if err != nil {
		return nil, err
	}
	f, err := s.newFront(ctx, frontParts{
		name: s.name, chains: s.cfg.ChainIDs, vaults: s.vaults, signer: signer, account: account, records: s.state.store, shared: s.state.shared(),
		holds: hosted.holds(ownPart, s.cfg.ChainIDs, signer),
		node:  node, nodeWS: cfg.NodeWS, addr: net.JoinHostPort(cfg.Addr, strconv.Itoa(int(cfg.Port))), pages: hosted.pages(),
	})
	if err != nil {
		node.close()
		return nil, err
	}
	s.outboxes.put("", f.outbox)
	s.node.Store(node)
	s.state.serveTransactions(f.outbox, hosted, s.log)
	if err := f.proxy.Start(ctx); err != nil {
		node.close()
		return nil, portTaken(err)
	}
	return f, nil
}

// newFront returns a front that does not listen yet. It does not close the node's
// client, not even after an error.
func (s *signing) newFront(ctx context.Context, parts frontParts) (_ *front, err error) {
	cfg := &s.cfg.Proxy
	f := &front{node: parts.node}
	signatory := extapi.NewSignatory(parts.account)
	f.outbox, err = outbox.New(ctx, outbox.Config{
		Records: parts.records, Place: parts.place, Shared: parts.shared, Signer: signatory, Node: parts.node, ChainIDs: bigIDs(parts.chains), Holds: parts.holds,
		GasMargin: cfg.GasMargin, FeeCap: weiOf(cfg.TxFeeCap), Timeout: cfg.NodeTimeout, Interval: cfg.PollInterval, Confirmations: cfg.Confirmations, Retain: cfg.Retain,
		Patience:    s.cfg.Limits.RequestTimeout + s.cfg.Limits.SignTimeout,
		MaxFinished: parts.maxFinished,
		Logger:      s.log,
	})
	if err != nil {
		return nil, err
	}
	answered := wallet.Config{Outbox: f.outbox, Signatory: signatory, Holds: parts.holds}
	if cfg.OtherAccounts == config.ForwardOthers {
		answered.Node = parts.node
	}
	f.status = &statusPage{parts: parts, signatory: signatory, log: s.log}
	f.proxy, err = proxy.New(proxy.Config{
		Node: parts.node.endpoint, NodeWS: parts.nodeWS, NodeHeaders: parts.node.headers, NodeTimeout: cfg.NodeTimeout,
		Methods: parts.gate.around(wallet.Methods(answered)), Allow: cfg.Allow, Deny: cfg.Deny,
		Addr: parts.addr, LoopbackOnly: s.loopbackOnly, Callers: s.proxyCallers, VirtualHosts: cfg.VirtualHosts, AllowedOrigins: cfg.Origins,
		Pages: pagesOf(f.status, parts.pages), Observer: s.watch.calls(),
		MaxBody: s.cfg.Limits.BodyBytes, MaxBatch: s.cfg.Limits.Batch, Answers: s.answers, Logger: s.log,
	})
	if err != nil {
		return nil, &usageError{err}
	}
	return f, nil
}

// pagesOf returns the pages of a front: its status, and further ones.
func pagesOf(status *statusPage, further func(*http.Request) http.Handler) func(*http.Request) http.Handler {
	return func(r *http.Request) http.Handler {
		if r.Method == http.MethodGet && r.URL.Path == statusPath {
			return status
		}
		if further == nil {
			return nil
		}
		return further(r)
	}
}

// shutdown closes the listener, waits for requests under way until ctx ends, and
// hangs up on the node.
func (f *front) shutdown(ctx context.Context) error {
	defer f.node.close()
	return f.proxy.Shutdown(ctx)
}

// newNodeClient returns a client of the configured node, which is not asked yet.
func newNodeClient(cfg *config.Proxy) (*nodeClient, error) {
	endpoint, err := cfg.Endpoint()
	if err != nil {
		return nil, &usageError{err}
	}
	headers, err := cfg.NodeHeaders()
	if err != nil {
		return nil, &usageError{err}
	}
	return newNode(endpoint, headers, cfg.NodeTimeout), nil
}

// chainOfNode returns the chain id of the configured node.
func chainOfNode(ctx context.Context, cfg *config.Config, log *slog.Logger) ([]uint64, error) {
	node, err := newNodeClient(&cfg.Proxy)
	if err != nil {
		return nil, err
	}
	defer node.close()
	stop := sayWhenSlow(ctx, func(elapsed time.Duration) {
		log.InfoContext(ctx, "Still asking the node for its chain id, since none is configured", "elapsed", elapsed)
	})
	id, err := chainOf(ctx, node, nodePatience)
	stop()
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "No chain id is configured: the node's is signed for", "chain_id", id)
	return []uint64{id}, nil
}

// weiOf returns an amount of the chain's coin in wei, nil for 0.
func weiOf(coins float64) *big.Int {
	if coins == 0 {
		return nil
	}
	wei, _ := new(big.Float).Mul(big.NewFloat(coins), big.NewFloat(params.Ether)).Int(nil)
	return wei
}
