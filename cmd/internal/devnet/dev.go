package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
)

// DevNode is a geth with a chain of its own (--dev): it makes a block of every
// transaction, and has one unlocked, funded account.
type DevNode struct {
	process *process
	http    string
	ipc     string
}

// StartDev starts a geth with --dev in an empty directory, and returns when its
// listeners are open. Log gets its log, JSON lines; nil discards it. The node
// ends with ctx, or with Stop.
func StartDev(ctx context.Context, geth, dir string, log io.Writer) (*DevNode, error) {
	node := &DevNode{ipc: filepath.Join(dir, "geth.ipc")}
	opened := make(chan struct{})
	var once sync.Once
	read := func(line []byte) {
		var entry struct {
			Message  string `json:"msg"`
			Endpoint string `json:"endpoint"`
		}
		if json.Unmarshal(line, &entry) == nil && entry.Message == "HTTP server started" {
			once.Do(func() {
				node.http = entry.Endpoint
				close(opened)
			})
		}
	}
	const apis = "eth,net,web3,txpool,debug"
	var err error
	node.process, err = start(ctx, log, read, geth,
		"--dev", "--datadir", filepath.Join(dir, "data"), "--ipcpath", node.ipc, "--port", "0", "--nodiscover", "--cache", "64",
		"--http", "--http.addr", "127.0.0.1", "--http.port", "0", "--http.api", apis,
		"--ws", "--ws.addr", "127.0.0.1", "--ws.port", "0", "--ws.api", apis, "--log.format", "json")
	if err != nil {
		return nil, fmt.Errorf("starting geth: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-opened:
		return node, nil
	case <-node.process.done:
		return nil, fmt.Errorf("geth ended at its start: %s", node.process.lastWords())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("waiting for geth: %w: %s", ctx.Err(), node.process.lastWords()), node.Stop())
	}
}

// HTTP is where the node serves eth, net, web3, txpool and debug.
func (n *DevNode) HTTP() string { return "http://" + n.http }

// WS is where the node serves the same over WebSocket.
func (n *DevNode) WS() string { return "ws://" + n.http }

// IPC is the path of the node's socket.
func (n *DevNode) IPC() string { return n.ipc }

// Stop ends geth in good order and waits for that.
func (n *DevNode) Stop() error { return n.process.stop() }
