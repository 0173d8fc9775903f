package extapi

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// padded makes a call larger without changing it.
func padded(call string, size int) string {
	return strings.TrimSuffix(call, "}") + strings.Repeat(" ", size) + "}"
}

// settle waits until n large messages have a place.
func settle(t *testing.T, server *Server, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(server.ipc.large.places) != n; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d large messages have a place, want %d", len(server.ipc.large.places), n)
		}
	}
}

// TestIPCLargeMessages sends more large messages at once than may be handled
// at once: all are answered, and small ones don't wait, on a connection that
// has a large one under way neither.
func TestIPCLargeMessages(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	large := padded(waitCall, smallBody)
	clients := make([]*ipcClient, 2*maxLargeBodies)
	for i := range clients {
		clients[i] = dialIPC(t, server)
		clients[i].send(large)
		if i < maxLargeBodies {
			<-p.entered
			clients[i].send(versionCall)
			if got := clients[i].answer(); got != versionAnswer {
				t.Errorf("got %s", got)
			}
		}
	}
	if !answers(t, server) {
		t.Error("a small message waits for large ones")
	}
	if calls := p.calls.Load(); calls != 2*maxLargeBodies+1 {
		t.Errorf("%d calls ran, want %d small and as many large ones, and one more", calls, maxLargeBodies)
	}
	close(p.release)
	for _, client := range clients {
		if got := client.answer(); !strings.Contains(got, "released") {
			t.Errorf("got %s", got)
		}
	}
	settle(t, server, 0)
}

// TestIPCLargeShare asks more of one connection than its share.
func TestIPCLargeShare(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{})
	greedy, other := dialIPC(t, server), dialIPC(t, server)
	const share = maxFlightBytes / largeFlight
	for range share {
		greedy.send(padded(waitCall, smallBody))
		<-p.entered
	}
	greedy.send(padded(waitCall, smallBody))
	other.send(padded(waitCall, smallBody))
	<-p.entered
	if got := len(server.ipc.large.places); got != share+1 {
		t.Errorf("%d large messages have a place, want %d of one connection and 1 of the other", got, share)
	}
	close(p.release)
	for range share + 1 {
		greedy.answer()
	}
	other.answer()
}

// TestIPCLargeAndSlow begins large messages and doesn't end them: each is cut
// off, and one that has waited for its place is served.
func TestIPCLargeAndSlow(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{ReadTimeout: time.Second})
	slow := make([]*ipcClient, maxLargeBodies)
	for i := range slow {
		slow[i] = dialIPC(t, server)
		slow[i].send(strings.TrimSuffix(padded(versionCall, smallBody), "}"))
	}
	<-time.After(500 * time.Millisecond) // so that it waits for less than it may
	client := dialIPC(t, server)
	client.send(padded(versionCall, smallBody))
	if got := client.answer(); got != versionAnswer {
		t.Errorf("got %s", got)
	}
	for _, client := range slow {
		if got := client.answer(); !strings.Contains(got, "read timeout") {
			t.Errorf("got %s", got)
		}
		client.closed()
	}
	settle(t, server, 0)
}

// TestIPCLargeRefused fills the places with calls that don't end: a message
// that gets none is refused, and so is one whose connection is gone.
func TestIPCLargeRefused(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{ReadTimeout: 2 * time.Second}) // in which each message is read
	clients := make([]*ipcClient, maxLargeBodies)
	for i := range clients {
		clients[i] = dialIPC(t, server)
		clients[i].send(padded(waitCall, smallBody))
		<-p.entered
	}
	late := dialIPC(t, server)
	late.send(padded(versionCall, smallBody))
	if got := late.answer(); !strings.Contains(got, "too many messages above 65536 bytes") {
		t.Errorf("got %s", got)
	}
	late.closed()

	if err := server.ipc.large.enter(Local, time.Hour, closedChannel()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection that is gone: got %v", err)
	}
	close(p.release)
	for _, client := range clients {
		client.answer()
	}
}

func closedChannel() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// TestIPCMemory keeps connections open that have each sent a message of 1 MiB:
// its memory is given back.
func TestIPCMemory(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{})
	message := padded(versionCall, 1<<20)
	clients := make([]*ipcClient, 20)
	before := heap()
	for i := range clients {
		clients[i] = dialIPC(t, server)
		clients[i].send(message)
		if got := clients[i].answer(); got != versionAnswer {
			t.Fatalf("got %s", got)
		}
	}
	settle(t, server, 0)
	if grown := heap() - before; grown > int64(len(message)) {
		t.Errorf("%d idle connections keep %d bytes", len(clients), grown)
	}
	for _, client := range clients {
		client.send(versionCall + padded(versionCall, smallBody) + versionCall)
		for range 3 {
			if got := client.answer(); got != versionAnswer {
				t.Errorf("got %s", got)
			}
		}
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools kept over the first
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
