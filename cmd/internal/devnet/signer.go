package devnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// SignerConfig describes a kvclef for development.
type SignerConfig struct {
	Kvclef string    // path of kvclef
	Dir    string    // folder of its keys and its socket; the caller removes it
	HTTP   bool      // listen on HTTP too
	Rules  string    // path of a rule file, or of a policy by its .yaml; "" approves everything
	Node   string    // endpoint of a node to stand in front of; "" is none
	NodeWS string    // its WebSocket endpoint, if Node is another
	Log    io.Writer // what kvclef prints; nil discards it
}

// Signer is a running `kvclef dev`.
type Signer struct {
	process *process
	ipcPath string
	httpURL string
	proxy   string
	dataDir string
}

// StartSigner starts a kvclef that signs with the keys of its embedded vault
// what its rules approve, and returns when it answers. The keys are in the folder: a
// signer started there again has the same accounts. It ends with ctx, or with
// Stop.
func StartSigner(ctx context.Context, cfg SignerConfig) (*Signer, error) {
	signer := &Signer{ipcPath: filepath.Join(cfg.Dir, "kvclef.ipc"), dataDir: filepath.Join(cfg.Dir, "keys")}
	args := []string{
		"dev", "--chainid", strconv.Itoa(ChainID),
		"--datadir", signer.dataDir, "--ipcpath", signer.ipcPath,
	}
	if cfg.Rules != "" {
		flag := "--rules"
		if filepath.Ext(cfg.Rules) == ".yaml" {
			flag = "--policy"
		}
		args = append(args, flag, cfg.Rules)
	} else {
		args = append(args, "--approve-all")
	}
	if cfg.HTTP {
		args = append(args, "--http.addr", "127.0.0.1", "--http.port", "0")
	} else {
		args = append(args, "--http=false")
	}
	if cfg.Node != "" {
		args = append(args, "--node", cfg.Node, "--proxy.addr", "127.0.0.1", "--proxy.port", "0")
	}
	if cfg.NodeWS != "" {
		args = append(args, "--node.ws", cfg.NodeWS)
	}
	http, proxy := newPrinted("HTTP"), newPrinted("Proxy")
	read := func(line []byte) { http.read(line); proxy.read(line) }
	var err error
	if signer.process, err = start(ctx, cfg.Log, read, cfg.Kvclef, args...); err != nil {
		return nil, fmt.Errorf("starting kvclef: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := signer.await(ctx); err != nil {
		return nil, errors.Join(err, signer.Stop())
	}
	if cfg.HTTP {
		if signer.httpURL, err = http.await(ctx); err != nil {
			return nil, errors.Join(err, signer.Stop())
		}
	}
	if cfg.Node != "" {
		if signer.proxy, err = proxy.await(ctx); err != nil {
			return nil, errors.Join(err, signer.Stop())
		}
	}
	return signer, nil
}

// IPC is the path of the signer's socket.
func (s *Signer) IPC() string { return s.ipcPath }

// DataDir is the folder of the signer's keys, state and audit log.
func (s *Signer) DataDir() string { return s.dataDir }

// HTTP is the URL of the signer's HTTP listener; "" without one.
func (s *Signer) HTTP() string { return s.httpURL }

// Proxy is the URL of the signer's listener in front of a node; "" without one.
func (s *Signer) Proxy() string { return s.proxy }

// ProxyWS is the same for WebSocket.
func (s *Signer) ProxyWS() string { return "ws" + strings.TrimPrefix(s.proxy, "http") }

// Accounts asks the signer for its accounts.
func (s *Signer) Accounts(ctx context.Context) ([]common.Address, error) {
	client, err := rpc.DialContext(ctx, s.ipcPath)
	if err != nil {
		return nil, fmt.Errorf("dialling kvclef: %w", err)
	}
	defer client.Close()
	var accounts []common.Address
	if err := client.CallContext(ctx, &accounts, "account_list"); err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	return accounts, nil
}

// Stop ends the signer in good order and waits for that.
func (s *Signer) Stop() error { return s.process.stop() }

// await tries the socket until it answers or the program ends.
func (s *Signer) await(ctx context.Context) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := s.Accounts(ctx); err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.process.done:
			return fmt.Errorf("kvclef ended at its start: %s", s.process.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for kvclef: %w: %s", ctx.Err(), s.process.lastWords())
		}
	}
}

// printed reads from kvclef's output where it listens.
type printed struct {
	name  string
	line  *regexp.Regexp
	found chan string
}

func newPrinted(name string) *printed {
	return &printed{name, regexp.MustCompile(`^` + name + ` +(https?://127\.0\.0\.1:\d+)$`), make(chan string, 1)}
}

func (p *printed) read(line []byte) {
	match := p.line.FindSubmatch(line)
	if match == nil {
		return
	}
	select {
	case p.found <- string(match[1]):
	default: // the first one counts
	}
}

func (p *printed) await(ctx context.Context) (string, error) {
	select {
	case url := <-p.found:
		return url, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for kvclef to print its %s listener: %w", p.name, ctx.Err())
	}
}

// Proxy is a running kvclef in front of a node.
type Proxy struct {
	process *process
	url     string
}

// StartProxy starts a kvclef whose command line and environment are the caller's,
// and returns when it has printed where its proxy listens.
func StartProxy(ctx context.Context, kvclef string, env []string, log io.Writer, args ...string) (*Proxy, error) {
	printed := newPrinted("Proxy")
	process, err := startIn(ctx, env, log, printed.read, kvclef, args...)
	if err != nil {
		return nil, fmt.Errorf("starting kvclef: %w", err)
	}
	proxy := &Proxy{process: process}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if proxy.url, err = printed.await(ctx); err != nil {
		return nil, errors.Join(err, errors.New(process.lastWords()), proxy.Stop())
	}
	return proxy, nil
}

// URL is where it listens.
func (p *Proxy) URL() string { return p.url }

// Stop ends it in good order and waits for that.
func (p *Proxy) Stop() error { return p.process.stop() }

// Kill ends it without asking it, and waits for that.
func (p *Proxy) Kill() { p.process.kill() }

// PID is the number of its process.
func (p *Proxy) PID() int { return p.process.command.Process.Pid }
