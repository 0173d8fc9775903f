// Package devnet runs a private chain of one real geth node whose accounts are
// kept by an external signer, and plays the consensus client that the node
// asks for: a block is produced when the caller wants one. (geth's own --dev
// excludes --signer.)
//
// It serves the end-to-end tests and the demo. It never joins a network: no
// discovery, no peers, loopback listeners on ports of the system's choice.
package devnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// ChainID is the chain id of every chain of this package.
const ChainID = 1337

// Config describes a chain.
type Config struct {
	Geth   string           // path of geth; see [Geth]
	Dir    string           // an empty directory for the chain; the caller removes it
	Signer string           // endpoint for --signer, an IPC path or an http URL; "" starts geth without accounts
	Fork   Fork             // rules of the chain from its first block on
	Funded []common.Address // each owns [Fund] at genesis
	Log    io.Writer        // geth's log, JSON lines; nil discards it
}

// Node is a running geth.
type Node struct {
	cfg     Config
	secret  []byte
	process *process
	fork    Fork
	url     string
	listens *endpoints
	public  *rpc.Client
	engine  *rpc.Client
}

// Start makes a chain and starts geth on it. It returns when the node answers,
// or with geth's last words when it ends before that. The node ends with ctx,
// or with Stop.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := initialise(ctx, cfg); err != nil {
		return nil, err
	}
	secret, secretFile, err := writeSecret(cfg.Dir)
	if err != nil {
		return nil, err
	}
	node := &Node{cfg: cfg, secret: secret, fork: cfg.Fork}
	if err := node.launch(ctx, arguments(cfg, secretFile, "0", "0")); err != nil {
		return nil, err
	}
	return node, nil
}

// launch starts geth and waits until it answers.
func (n *Node) launch(ctx context.Context, args []string) error {
	started := newEndpoints()
	process, err := start(ctx, n.cfg.Log, started.read, n.cfg.Geth, args...)
	if err != nil {
		return fmt.Errorf("starting geth: %w", err)
	}
	n.process, n.listens = process, started
	if err := n.connect(ctx, started, n.secret); err != nil {
		return errors.Join(err, n.Stop())
	}
	return nil
}

// Crash kills geth, and waits until it is gone. What it had not written is lost: its
// pool, and perhaps its latest block.
func (n *Node) Crash() {
	n.close()
	n.process.kill()
}

// Restart starts geth again where it was, after a Crash. It ends with ctx.
func (n *Node) Restart(ctx context.Context) error {
	_, public, err := net.SplitHostPort(n.listens.public)
	if err != nil {
		return err
	}
	_, engine, err := net.SplitHostPort(n.listens.engine)
	if err != nil {
		return err
	}
	return n.launch(ctx, arguments(n.cfg, secretPath(n.cfg.Dir), public, engine))
}

// connect waits for both listeners of the node and dials them.
func (n *Node) connect(ctx context.Context, started *endpoints, secret []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-started.complete:
	case <-n.process.done:
		return fmt.Errorf("geth ended at its start: %s", n.process.lastWords())
	case <-ctx.Done():
		return fmt.Errorf("waiting for geth: %w: %s", ctx.Err(), n.process.lastWords())
	}
	n.url = "http://" + started.public
	var err error
	if n.public, err = rpc.DialContext(ctx, n.url); err != nil {
		return fmt.Errorf("dialling geth: %w", err)
	}
	n.engine, err = rpc.DialOptions(ctx, "http://"+started.engine, rpc.WithHTTPAuth(bearer(secret)))
	if err != nil {
		return fmt.Errorf("dialling geth's engine API: %w", err)
	}
	return nil
}

// URL is where the node serves eth, net, web3 and txpool over HTTP.
func (n *Node) URL() string { return n.url }

// WS is where it serves the same over WebSocket: geth has both at one port, if the
// choice is left to the system.
func (n *Node) WS() string { return "ws" + strings.TrimPrefix(n.url, "http") }

// RPC returns a client of the node for calls that [ethclient.Client] lacks.
func (n *Node) RPC() *rpc.Client { return n.public }

// Client returns a client of the node.
func (n *Node) Client() *ethclient.Client { return ethclient.NewClient(n.public) }

// Stop ends geth in good order and waits for that.
func (n *Node) Stop() error {
	n.close()
	return n.process.stop()
}

func (n *Node) close() {
	for _, client := range []*rpc.Client{n.public, n.engine} {
		if client != nil {
			client.Close()
		}
	}
}

// arguments are geth's flags. A port of 0 leaves the choice to the system; the log
// tells what it chose, in JSON so that it can be read.
func arguments(cfg Config, secretFile, public, engine string) []string {
	args := []string{
		"--datadir", dataDir(cfg.Dir), "--networkid", strconv.Itoa(ChainID), "--syncmode", "full",
		"--state.scheme", "hash", "--gcmode", "archive", // every state is written: without one that it has, a killed geth begins anew and takes no blocks
		"--nodiscover", "--maxpeers", "0", "--port", "0", "--nat", "none", "--ipcdisable", "--cache", "128",
		"--http", "--http.addr", "127.0.0.1", "--http.port", public, "--http.api", "eth,net,web3,txpool",
		"--ws", "--ws.addr", "127.0.0.1", "--ws.port", public, "--ws.api", "eth,net,web3,txpool",
		"--authrpc.addr", "127.0.0.1", "--authrpc.port", engine, "--authrpc.jwtsecret", secretFile,
		"--log.format", "json",
	}
	if cfg.Signer != "" {
		args = append(args, "--signer", cfg.Signer)
	}
	return args
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

func secretPath(dir string) string { return filepath.Join(dir, "jwt.hex") }

// writeSecret makes the secret that geth and its consensus client share.
func writeSecret(dir string) (secret []byte, file string, err error) {
	secret = make([]byte, 32)
	rand.Read(secret) // never fails since Go 1.24
	file = secretPath(dir)
	if err := os.WriteFile(file, []byte(hexutil.Encode(secret)), 0o600); err != nil {
		return nil, "", fmt.Errorf("writing the engine API's secret: %w", err)
	}
	return secret, file, nil
}
