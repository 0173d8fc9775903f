package extapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	versionCall   = `{"jsonrpc":"2.0","id":1,"method":"account_version"}`
	versionAnswer = `{"jsonrpc":"2.0","id":1,"result":"6.1.0"}`
	waitCall      = `{"jsonrpc":"2.0","id":2,"method":"account_wait"}`
)

// TestIPCDeviation22 shows that nothing without an id runs.
func TestIPCDeviation22(t *testing.T) {
	p := newProbe()
	client := dialIPC(t, listeners(t, p, ServerConfig{}))
	client.send(`{"jsonrpc":"2.0","method":"account_version"}`)
	client.send(`[{"jsonrpc":"2.0","method":"account_version"},{"jsonrpc":"2.0","method":"account_version"}]`)
	client.send(`{"jsonrpc":"2.0","\u006dethod":"account_\u0076ersion","ID":1}`)
	client.send(`[{"jsonrpc":"2.0","method":"account_version"},` + versionCall + `]`)
	if got := client.answer(); got != "["+versionAnswer+"]" {
		t.Errorf("got %s", got)
	}
	if calls := p.calls.Load(); calls != 1 {
		t.Errorf("%d calls ran, want 1", calls)
	}
}

// TestIPCRefusals are messages that end the connection, and what is said.
func TestIPCRefusals(t *testing.T) {
	const limit = 1 << 14
	server := listeners(t, newProbe(), ServerConfig{MaxBody: limit, ReadTimeout: 500 * time.Millisecond})
	for name, c := range map[string]struct{ message, want string }{
		"half-open object": {`{"jsonrpc":`, "read timeout"},
		"half-open string": {`"`, "read timeout"},
		"half-open number": {`1`, "read timeout"},
		"unfinished batch": {`[` + versionCall + `,`, "read timeout"},
		"no end":           {`["` + strings.Repeat("a", limit), "message too large, want at most 16384 bytes"},
		"white space":      {strings.Repeat(" ", limit+1), "message too large, want at most 16384 bytes"},
		"deep nesting":     {strings.Repeat("[", 10_001), "exceeded max depth"},
		"no JSON":          {"GET / HTTP/1.1\r\n", "invalid character 'G' looking for beginning of value"},
		"NUL":              {"\x00", `invalid character '\x00' looking for beginning of value`},
		"second message":   {versionCall + "}", "invalid character '}' looking for beginning of value"},
		"half a second":    {versionCall + `{"jsonrpc":`, "read timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			client := dialIPC(t, server)
			client.send(c.message)
			said, err := io.ReadAll(client.Conn)
			if errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(unescape(string(said)), c.want) {
				t.Errorf("got %s and %v, want %s", said, err, c.want)
			}
		})
	}
}

// wasCut fails if it was the test that lost patience, not the server.
func wasCut(t *testing.T, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not cut: %v", err)
	}
}

func unescape(s string) string { return strings.ReplaceAll(s, `\\`, `\`) }

// TestIPCSizeLimit sends the largest message and one that is a byte larger.
func TestIPCSizeLimit(t *testing.T) {
	const limit = 5000
	server := listeners(t, newProbe(), ServerConfig{MaxBody: limit})
	padded := versionCall[:len(versionCall)-1] + strings.Repeat(" ", limit-len(versionCall)) + "}"
	client := dialIPC(t, server)
	for range 3 {
		client.send(padded)
		if got := client.answer(); got != versionAnswer {
			t.Fatalf("got %s", got)
		}
	}
	client.send(" " + padded)
	if got := client.answer(); !strings.Contains(got, "message too large") {
		t.Errorf("got %s", got)
	}
}

// TestIPCIdle keeps a connection that is silent between messages for longer
// than a message may take, and cuts one that trickles.
func TestIPCIdle(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{ReadTimeout: 500 * time.Millisecond})
	idle := dialIPC(t, server)
	idle.send(versionCall + "\n")
	if got := idle.answer(); got != versionAnswer {
		t.Fatalf("got %s", got)
	}
	idle.send(" \n")

	slow := dialIPC(t, server)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		<-tick.C
		if _, err := io.WriteString(slow.Conn, "[ "); err != nil {
			wasCut(t, err) // the read timeout has passed
			break
		}
	}
	idle.send(versionCall)
	if got := idle.answer(); got != versionAnswer {
		t.Errorf("got %s", got)
	}
}

// TestIPCInFlight asks more than may be in flight: the rest waits unread, other
// connections don't.
func TestIPCInFlight(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{MaxInFlight: 8})
	client := dialIPC(t, server)
	client.send(strings.Repeat(waitCall+"\n", 100))
	for range 8 {
		<-p.entered
	}
	other := dialIPC(t, server)
	other.send(versionCall)
	if got := other.answer(); got != versionAnswer {
		t.Errorf("got %s", got)
	}
	if calls := p.calls.Load(); calls != 9 {
		t.Errorf("%d calls ran, want 8 of the first connection and 1 of the second", calls)
	}
	close(p.release)
	for range 100 {
		client.answer()
	}
}

// TestIPCUnreadAnswers floods the server and never reads: the connection is
// cut, and another one is served meanwhile.
func TestIPCUnreadAnswers(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{WriteTimeout: time.Second})
	flood := dialIPC(t, server)
	call := `{"jsonrpc":"2.0","id":1,"method":"account_echo","params":["` + strings.Repeat("x", 4000) + `"]}`
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			if _, err := io.WriteString(flood.Conn, call); err != nil {
				wasCut(t, err)
				return
			}
		}
	}()
	other := dialIPC(t, server)
	for range 100 {
		other.send(versionCall)
		if got := other.answer(); got != versionAnswer {
			t.Fatalf("got %s", got)
		}
	}
	<-cut
}

// TestIPCBatches sends batches at the limit, above it, and of a great number
// of elements that are nothing.
func TestIPCBatches(t *testing.T) {
	p := newProbe()
	client := dialIPC(t, listeners(t, p, ServerConfig{}))
	batch := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	const tooLarge = `[{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"batch too large"}}]`
	client.send(batch(1000, versionCall))
	if got, want := client.answer(), batch(1000, versionAnswer); got != want {
		t.Errorf("1000: got %s", clip(got))
	}
	p.calls.Store(0)
	client.send(batch(1001, versionCall))
	if got, want := unnamed(t, client.answer()), fmt.Sprintf(tooLarge, "1"); got != want {
		t.Errorf("1001: got %s", clip(got))
	}
	client.send("[" + strings.Repeat(`{"jsonrpc":"2.0","method":"account_version"},`, 1000) + versionCall + "]")
	if got, want := unnamed(t, client.answer()), fmt.Sprintf(tooLarge, "1"); got != want {
		t.Errorf("1000 notifications and a call: got %s", clip(got))
	}
	client.send(batch(2_500_000, "1"))
	if got, want := unnamed(t, client.answer()), fmt.Sprintf(tooLarge, "null"); got != want {
		t.Errorf("2,500,000 numbers: got %s", clip(got))
	}
	if calls := p.calls.Load(); calls != 0 {
		t.Errorf("%d calls of batches too large ran", calls)
	}
}

// TestIPCResponseLimit asks for more than a batch may answer.
func TestIPCResponseLimit(t *testing.T) {
	client := dialIPC(t, listeners(t, newProbe(), ServerConfig{MaxResponse: 100}))
	client.send("[" + versionCall + `,{"jsonrpc":"2.0","id":2,"method":"account_echo","params":["` + strings.Repeat("x", 200) + `"]},` + versionCall + "]")
	if got := client.answer(); strings.Count(got, "response too large") != 1 {
		t.Errorf("got %s", got)
	}
}

// TestIPCConnections opens 500 connections: those within the limit are served,
// the others closed at once, and a place that is given back can be taken.
func TestIPCConnections(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{MaxIPCConns: 64})
	clients := make([]*ipcClient, 500)
	for i := range clients {
		clients[i] = dialIPC(t, server)
	}
	served := 0
	for i, client := range clients {
		_, err := io.WriteString(client.Conn, versionCall) // fails on a closed one
		if i >= 64 {
			client.closed()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if client.answer() == versionAnswer {
			served++
		}
	}
	if served != 64 {
		t.Errorf("%d connections served, want 64", served)
	}
	_ = clients[0].Close()
	for deadline := time.Now().Add(patience); !answers(t, server); {
		if time.Now().After(deadline) {
			t.Fatal("a place that was given back can't be taken")
		}
	}
}

// answers reports whether a new connection is served.
func answers(t *testing.T, server *Server) bool {
	client := dialIPC(t, server)
	defer client.Close()
	_, _ = io.WriteString(client.Conn, versionCall)
	buf := make([]byte, len(versionAnswer))
	_, err := io.ReadFull(client.Conn, buf)
	return err == nil && string(buf) == versionAnswer
}

// TestIPCShutdownTooLate gives up on a call that doesn't end, and says so.
func TestIPCShutdownTooLate(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	client := dialIPC(t, server)
	client.send(waitCall)
	<-p.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutting down: %v, want %v", err, context.Canceled)
	}
	client.closed()
	close(p.release)
}

// TestIPCSocket looks at the file: its mode, its folder's, and what is done
// about one that is there already.
func TestIPCSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "kvclef.ipc")
	server := listeners(t, newProbe(), ServerConfig{IPCPath: path})
	for name, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s is %s, want %s", name, info.Mode(), want)
		}
	}

	err := startOn(t, path)
	if err == nil || !strings.Contains(err.Error(), "another signer is listening") {
		t.Errorf("second server: %v", err)
	}
	if !answers(t, server) {
		t.Error("the first server no longer answers")
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after shutting down: %v, want no socket", err)
	}
}

func TestIPCSocketInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := startOn(t, file); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("on a file: %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "mine" {
		t.Errorf("the file was touched: %q, %v", content, err)
	}
	if err := startOn(t, dir); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("on a folder: %v", err)
	}
	if err := startOn(t, filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("on a long path: %v", err)
	}

	stale := filepath.Join(dir, "stale.ipc")
	abandon(t, stale)
	server := listeners(t, newProbe(), ServerConfig{IPCPath: stale})
	if !answers(t, server) {
		t.Error("a stale socket was not replaced")
	}
	// Another process took the path: its socket stays.
	if err := os.Remove(stale); err != nil {
		t.Fatal(err)
	}
	abandon(t, stale)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stale); err != nil {
		t.Errorf("another's socket was removed: %v", err)
	}
}

// abandon leaves a socket behind, as a killed process does.
func abandon(t *testing.T, path string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}

// startOn returns the error of starting a server on a path.
func startOn(t *testing.T, path string) error {
	t.Helper()
	server, err := newServer(newProbe(), ServerConfig{IPCPath: path})
	if err != nil {
		t.Fatal(err)
	}
	err = server.Start(t.Context())
	if err == nil {
		err = server.Shutdown(t.Context())
	}
	return err
}
