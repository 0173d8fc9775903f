package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/extapi"
)

// statusPath is where a service tells how it is.
const statusPath = "/status"

// statusTimeout bounds the making of a status page.
const statusTimeout = 5 * time.Second

// serviceStatus is what GET /status tells of a service in front of a node.
type serviceStatus struct {
	Name     string           `json:"name,omitempty"`
	Version  string           `json:"version"`
	ChainIDs []uint64         `json:"chain_ids"`
	Vaults   []vaultStatus    `json:"vaults"`
	Accounts []common.Address `json:"accounts"` // that the rules show
	URLs     serviceURLs      `json:"urls"`
	Node     nodeStatus       `json:"node"`
}

type vaultStatus struct {
	Name     string `json:"name"`
	Accounts int    `json:"accounts"`
	Healthy  bool   `json:"healthy"` // false: it does not answer
}

// serviceURLs are where a service is reached; paths alone where the host is not known.
type serviceURLs struct {
	RPC string `json:"rpc"`
	WS  string `json:"ws"`
}

type nodeStatus struct {
	Reachable bool            `json:"reachable"`
	ChainID   *hexutil.Uint64 `json:"chain_id,omitempty"`
	Head      *hexutil.Uint64 `json:"head,omitempty"` // the number of the latest block
}

// statusPage answers GET /status.
type statusPage struct {
	parts     frontParts
	signatory extapi.Signatory
	log       *slog.Logger
}

// ServeHTTP tells how the service is, to the caller whom the proxy has found.
func (p *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	urls := serviceURLs{RPC: "http://" + r.Host + p.parts.path, WS: "ws://" + r.Host + p.parts.path}
	if r.TLS != nil {
		urls = serviceURLs{RPC: "https://" + r.Host + p.parts.path, WS: "wss://" + r.Host + p.parts.path}
	}
	status := p.tell(r.Context(), urls)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(status); err != nil {
		p.log.DebugContext(r.Context(), "Status not sent", "error", err)
	}
}

// tell asks the node, and the rules for the accounts that are shown to the caller of
// ctx. The URLs are those by which that caller reaches the service.
func (p *statusPage) tell(ctx context.Context, urls serviceURLs) *serviceStatus {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	status := &serviceStatus{
		Name: p.parts.name, Version: buildVersion().Version, ChainIDs: p.parts.chains, Vaults: []vaultStatus{},
		URLs: urls,
	}
	for _, vault := range p.parts.vaults {
		status.Vaults = append(status.Vaults, vaultStatus{vault.Name(), len(vault.Accounts()), vault.Answers()})
	}
	var err error
	if status.Accounts, err = p.signatory.Accounts(ctx, "eth_accounts"); err != nil {
		status.Accounts = []common.Address{} // the rules show none
	}
	status.Node = p.nodeStatus(ctx) // last: it may take all of the time
	return status
}

func (p *statusPage) nodeStatus(ctx context.Context) nodeStatus {
	var chain, head hexutil.Uint64
	if err := p.parts.node.CallContext(ctx, &chain, "eth_chainId"); err != nil {
		return nodeStatus{}
	}
	if err := p.parts.node.CallContext(ctx, &head, "eth_blockNumber"); err != nil {
		return nodeStatus{ChainID: &chain}
	}
	return nodeStatus{Reachable: true, ChainID: &chain, Head: &head}
}
