package extapi

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// ends waits until a call has ended because its caller is gone.
func (p *probe) ends(t *testing.T) {
	t.Helper()
	select {
	case <-p.left:
	case <-time.After(patience):
		t.Fatal("the call of a caller who is gone goes on")
	}
}

// TestIPCHangUp hangs up while a call runs: it ends, nothing is left.
func TestIPCHangUp(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	client := dialIPC(t, server)
	client.send(waitCall)
	<-p.entered
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	p.ends(t)
	if !answers(t, server) {
		t.Error("the next connection is not served")
	}
}

// TestIPCHangUpOfMany: callers who are gone keep nobody out, be it those of all connections.
func TestIPCHangUpOfMany(t *testing.T) {
	const places = 8
	p := newProbe()
	server := listeners(t, p, ServerConfig{MaxIPCConns: places})
	for range places {
		client := dialIPC(t, server)
		client.send(waitCall)
		<-p.entered
		_ = client.Close()
	}
	for range places {
		p.ends(t)
	}
	for deadline := time.Now().Add(patience); !answers(t, server); {
		if time.Now().After(deadline) {
			t.Fatal("callers who are gone keep the places")
		}
	}
}

// TestIPCHangUpUnread: it is noticed of a caller too of whom nothing more is read, since
// it has asked as much as may be under way. What it has asked beyond that never runs.
func TestIPCHangUpUnread(t *testing.T) {
	const most = 2
	p := newProbe()
	client := dialIPC(t, listeners(t, p, ServerConfig{MaxInFlight: most}))
	client.send(strings.Repeat(waitCall, 10*most))
	for range most {
		<-p.entered
	}
	_ = client.Close()
	for range most {
		p.ends(t)
	}
	if calls := p.calls.Load(); calls != most {
		t.Errorf("%d calls ran, want %d", calls, most)
	}
}

// TestIPCHalfClose says that nothing more comes, and waits for the answer. Closing what is
// left hangs up.
func TestIPCHalfClose(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	half := func() *ipcClient {
		client := dialIPC(t, server)
		client.send(waitCall)
		<-p.entered
		if err := client.Conn.(*net.UnixConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		return client
	}
	gone, client := half(), half()
	_ = gone.Close()
	p.ends(t) // by the look at all callers, which finds that the other is still there
	select {
	case <-p.left:
		t.Fatal("the call of a caller who waits has ended")
	case <-time.After(2 * hangUpCheck):
	}
	close(p.release)
	if got := client.answer(); got != `{"jsonrpc":"2.0","id":2,"result":"released"}` {
		t.Errorf("got %s", got)
	}
}

// leaver hangs up while its third request is decided.
type leaver struct {
	rules.ApproveAll
	leave           func()
	decided         atomic.Int64
	settled, signed atomic.Int64
}

func (l *leaver) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	if l.decided.Add(1) == 3 {
		l.leave()
		<-ctx.Done() // it is noticed
	}
	return l.ApproveAll.Decide(context.WithoutCancel(ctx), req)
}

func (l *leaver) Settle(ctx context.Context, req *rules.Request, d rules.Decision, result rules.Result) error {
	l.settled.Add(1)
	if result.Outcome == rules.Signed {
		l.signed.Add(1)
	}
	return l.ApproveAll.Settle(ctx, req, d, result)
}

// TestIPCHangUpInABatch: of a batch nothing more runs when the caller is gone. What was
// approved is signed, settled and on record.
func TestIPCHangUpInABatch(t *testing.T) {
	record, decider := new(entries), new(leaver)
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider, cfg.Auditor = decider, record })
	server := listeners(t, account, ServerConfig{})
	client := dialIPC(t, server)
	decider.leave = func() { _ = client.Close() }
	var batch []string
	for i := range 20 {
		batch = append(batch, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"account_signData","params":["text/plain",%q,"0x%02x"]}`, i, testAddress, i))
	}
	client.send("[" + strings.Join(batch, ",") + "]")
	if client.closed(); !answers(t, server) {
		t.Error("the next connection is not served")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil { // it waits for all that runs
		t.Fatal(err)
	}
	if decided, settled, signed := decider.decided.Load(), decider.settled.Load(), decider.signed.Load(); decided != 3 || settled != 3 || signed != 3 {
		t.Errorf("%d were decided, %d settled, %d signed; want 3 of each", decided, settled, signed)
	}
	outcomes := 0
	for _, entry := range record.all {
		if entry.Event == audit.EventOutcome {
			outcomes++
		}
	}
	if outcomes != 3 {
		t.Errorf("%d outcomes are on record, want 3", outcomes)
	}
}
