package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// nodeClient asks a node. It connects when it is first asked, so that a node may
// start after its signer, and go-ethereum's client connects again by itself.
// No error of it shows the endpoint, which may hold a secret.
type nodeClient struct {
	endpoint string
	headers  http.Header
	timeout  time.Duration

	turn chan struct{} // holds a token while nobody connects

	mu     sync.Mutex
	client *rpc.Client // nil: not connected
	closed bool
}

func newNode(endpoint string, headers http.Header, timeout time.Duration) *nodeClient {
	n := &nodeClient{endpoint: endpoint, headers: headers, timeout: timeout, turn: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	return n
}

var errNodeClosed = errors.New("the connection to the node is closed")

// CallContext asks for one thing.
func (n *nodeClient) CallContext(ctx context.Context, result any, method string, args ...any) error {
	return n.with(ctx, func(ctx context.Context, client *rpc.Client) error {
		return client.CallContext(ctx, result, method, args...)
	})
}

// BatchCallContext asks for several things at once.
func (n *nodeClient) BatchCallContext(ctx context.Context, batch []rpc.BatchElem) error {
	return n.with(ctx, func(ctx context.Context, client *rpc.Client) error {
		return client.BatchCallContext(ctx, batch)
	})
}

// SupportsSubscriptions reports whether the node is asked over a connection, and not by
// requests of HTTP.
func (n *nodeClient) SupportsSubscriptions() bool {
	of, err := url.Parse(n.endpoint)
	return err != nil || of.Scheme != "http" && of.Scheme != "https"
}

func (n *nodeClient) with(ctx context.Context, ask func(context.Context, *rpc.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	client, err := n.connected(ctx)
	if err == nil {
		err = ask(ctx, client)
	}
	return withoutURL(err)
}

// connected returns a client that is connected. One caller connects, and the others
// wait for it as long as they have time.
func (n *nodeClient) connected(ctx context.Context) (*rpc.Client, error) {
	if client, err := n.current(); client != nil || err != nil {
		return client, err
	}
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the connection to the node: %w", ctx.Err())
	}
	if client, err := n.current(); client != nil || err != nil {
		return client, err
	}
	client, err := rpc.DialOptions(ctx, n.endpoint, rpc.WithHeaders(n.headers), rpc.WithHTTPClient(nodeHTTP()))
	if err != nil {
		return nil, fmt.Errorf("connecting to the node: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		client.Close()
		return nil, errNodeClosed
	}
	n.client = client
	return client, nil
}

// current returns the client, nil if none is connected yet.
func (n *nodeClient) current() (*rpc.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, errNodeClosed
	}
	return n.client, nil
}

// close hangs up for good. It does not wait for who connects.
func (n *nodeClient) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client != nil && !n.closed {
		n.client.Close()
	}
	n.closed = true
}

// withoutURL takes the address out of an error of an HTTP client.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return fmt.Errorf("asking the node: %w", of.Err)
	}
	return err
}

// chainOf asks a node for its chain. It waits a while for one that is starting.
func chainOf(ctx context.Context, node *nodeClient, patience time.Duration) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	var why error // of the last attempt that was not cut off by the end of the time
	for {
		var id hexutil.Uint64
		err := node.CallContext(ctx, &id, "eth_chainId")
		if ctx.Err() == nil || why == nil {
			why = err
		}
		switch {
		case err == nil && id != 0:
			return uint64(id), nil
		case err == nil:
			return 0, errors.New("the node tells no chain id: give it by --chainid")
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("the node does not tell its chain id, start it or give the id by --chainid: %w", why)
		}
	}
}
