package extapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
)

// patience bounds what a test waits for. It is reached only by a failure.
const patience = 2 * time.Minute

// probe is a receiver whose calls can be counted and held.
type probe struct {
	calls   atomic.Int64
	entered chan struct{} // gets one value when Wait begins
	release chan struct{} // closed to let Wait return
	left    chan struct{} // gets one value when Wait ends with its context
}

func newProbe() *probe {
	return &probe{entered: make(chan struct{}, 4096), release: make(chan struct{}), left: make(chan struct{}, 4096)}
}

func (p *probe) Version() string {
	p.calls.Add(1)
	return Version
}

// Wait returns when it is released or its context ends.
func (p *probe) Wait(ctx context.Context) (string, error) {
	p.calls.Add(1)
	p.entered <- struct{}{}
	select {
	case <-p.release:
		return "released", nil
	case <-ctx.Done():
		p.left <- struct{}{}
		return "", ctx.Err()
	}
}

// Stuck returns when it is released, whatever its context says.
func (p *probe) Stuck() string {
	<-p.release
	return "released"
}

// Echo returns its argument, so that an answer can be large.
func (p *probe) Echo(s string) string { return s }

// listeners starts a server on a socket and on a loopback port, and shuts it
// down when the test ends; nothing may be left then.
func listeners(t testing.TB, receiver any, cfg ServerConfig) *Server {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	return unchecked(t, receiver, cfg)
}

// unchecked is listeners without a look at what is left.
func unchecked(t testing.TB, receiver any, cfg ServerConfig) *Server {
	t.Helper()
	if cfg.IPCPath == "" {
		cfg.IPCPath = filepath.Join(t.TempDir(), "kvclef.ipc")
	}
	if cfg.HTTPAddr == "" {
		cfg.HTTPAddr = "127.0.0.1:0"
	}
	server, err := newServer(receiver, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
	})
	return server
}

// ipcClient is a caller that writes and reads bytes as it likes.
type ipcClient struct {
	t testing.TB
	net.Conn
	answers *json.Decoder
}

func dialIPC(t testing.TB, server *Server) *ipcClient {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "unix", server.cfg.IPCPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &ipcClient{t: t, Conn: conn, answers: json.NewDecoder(conn)}
}

func (c *ipcClient) send(message string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, message); err != nil {
		c.t.Fatal(err)
	}
}

// answer returns the next answer.
func (c *ipcClient) answer() string {
	c.t.Helper()
	var answer json.RawMessage
	if err := c.answers.Decode(&answer); err != nil {
		c.t.Fatalf("reading an answer: %v", err)
	}
	return string(answer)
}

// closed waits until the server closes the connection, having sent nothing
// more.
func (c *ipcClient) closed() {
	c.t.Helper()
	var answer json.RawMessage
	if err := c.answers.Decode(&answer); err == nil {
		c.t.Fatalf("got %s, want a closed connection", clip(string(answer)))
	}
}

// sameJSON reports whether two texts are the same JSON value.
func sameJSON(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	left, _ := json.Marshal(x)
	right, _ := json.Marshal(y)
	return sha256.Sum256(left) == sha256.Sum256(right)
}

// holder holds the account of the captures, and counts what it is asked to sign.
type holder struct {
	account common.Address
	asked   atomic.Int64
}

func (h *holder) Accounts() []rules.Account { return []rules.Account{{Address: h.account}} }

func (h *holder) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	return rules.Account{Address: address}, address == h.account
}

func (h *holder) Sign(context.Context, common.Address, common.Hash) (Signed, error) {
	h.asked.Add(1)
	return Signed{}, nil
}

// dead rejects transactions to 0x…dEaD, as the rules behind the captures do.
type dead struct{ rules.ApproveAll }

func (d dead) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	if req.Transaction != nil && *req.Transaction.To() == common.HexToAddress("0xdead") {
		return rules.Decision{Verdict: rules.Reject, Rule: "dead", Reason: "nobody lives there"}, nil
	}
	return d.ApproveAll.Decide(ctx, req)
}
