package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestSlowConsumer: a client that reads nothing costs no memory, and is cut off.
func TestSlowConsumer(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), WriteTimeout: 500 * time.Millisecond})
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":0,"method":"a"}`)
	hear(t, conn)
	var served *session
	p.sessions.mu.Lock()
	for served = range p.sessions.open {
	}
	p.sessions.mu.Unlock()
	tell(t, conn, `{"id":1,"method":"fake_big","params":[209715200]}`)
	<-served.ctx.Done()
	if written := f.written.Load(); written == 0 || written > 64<<20 {
		t.Errorf("%d bytes were taken from the node for a client that took none", written)
	}
}

func TestWebSocketLimits(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), MaxBody: 1000, MaxWebSockets: 1})
	conn := dial(t, p, nil)
	_, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+p.Addr(), nil)
	if err == nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second connection: %v, %v", err, answer)
	}
	tell(t, conn, `{"id":1,"method":"`+strings.Repeat("a", 1000)+`"}`)
	if code := closing(t, conn); code != websocket.CloseMessageTooBig {
		t.Errorf("ended with %d", code)
	}
}

// TestPings: the proxy pings both sides, answers pings, and ends a connection
// whose client is silent.
func TestPings(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), PingInterval: 300 * time.Millisecond})
	conn := dial(t, p, nil)
	pinged := make(chan struct{}, 100)
	ponged := make(chan struct{}, 100)
	conn.SetPingHandler(func(text string) error {
		pinged <- struct{}{}
		return conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(time.Second))
	})
	conn.SetPongHandler(func(string) error {
		ponged <- struct{}{}
		return nil
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		_, _, _ = conn.ReadMessage()
	}()
	<-ponged
	for range 4 { // longer than it waits for an answer
		select {
		case <-pinged:
		case <-reading:
			t.Fatal("a client that answers pings was cut off")
		}
	}
	conn.Close()
	<-reading

	silent := dial(t, p, nil)
	silent.SetPingHandler(func(string) error { return nil })
	if _, _, err := silent.ReadMessage(); err == nil {
		t.Error("a silent client was kept")
	}
}

func TestHangUpEndsCallsOfTheConnection(t *testing.T) {
	f := newFake(t)
	asked, ended := make(chan struct{}), make(chan struct{})
	p := started(t, Config{Node: f.ws(), Methods: map[string]Method{"our_wait": func(ctx context.Context, _ json.RawMessage) (any, error) {
		close(asked)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}})
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":1,"method":"fake_hang"}`)
	tell(t, conn, `{"jsonrpc":"2.0","id":1,"method":"our_wait"}`)
	<-asked
	conn.Close()
	<-ended
}

func TestShutdownAnswersWhatRuns(t *testing.T) {
	f := newFake(t)
	asked, finish := make(chan struct{}), make(chan struct{})
	p := started(t, Config{Node: f.ws(), Methods: map[string]Method{"our_slow": func(context.Context, json.RawMessage) (any, error) {
		close(asked)
		<-finish
		return "done", nil
	}}})
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":1,"method":"fake_late"}`)
	tell(t, conn, `{"jsonrpc":"2.0","id":2,"method":"our_slow"}`)
	<-asked
	down := make(chan error, 1)
	go func() { down <- p.Shutdown(t.Context()) }()
	close(finish)
	close(f.gate)
	got := hear(t, conn) + hear(t, conn)
	if !strings.Contains(got, `"fake_late"`) || !strings.Contains(got, `"done"`) {
		t.Errorf("got %s", got)
	}
	if code := closing(t, conn); code != websocket.CloseGoingAway {
		t.Errorf("ended with %d", code)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestShutdownHangsUpInTheEnd(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws()})
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":1,"method":"fake_hang"}`)
	<-f.hung
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "unanswered") {
		t.Errorf("got %v", err)
	}
	_, text, err := conn.ReadMessage()
	if err == nil && strings.Contains(string(text), "the connection is closed: the proxy is shutting down") { // it may still be told so
		_, text, err = conn.ReadMessage()
	}
	if err == nil {
		t.Errorf("got %s", text)
	}
}

// TestAnswerBreaksOffOverWebSocket: a client that has a part of an answer gets
// no rest and nothing after it, and the connection ends.
func TestAnswerBreaksOffOverWebSocket(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		if way == "http" {
			continue
		}
		t.Run(way, func(t *testing.T) {
			conn := dial(t, started(t, cfg), nil)
			tell(t, conn, `{"id":1,"method":"fake_hang"}`)
			<-f.hung
			tell(t, conn, `{"id":2,"method":"fake_bigCut"}`)
			if code := closing(t, conn); code != websocket.CloseServiceRestart {
				t.Errorf("ended with %d", code)
			}
		})
	}
}

// TestNodeEndsDuringShutdown: what waits for the node then is told at once.
func TestNodeEndsDuringShutdown(t *testing.T) {
	f := newFake(t)
	asked, finish := make(chan struct{}), make(chan struct{})
	p := started(t, Config{Node: f.ws(), Methods: map[string]Method{"our_slow": func(context.Context, json.RawMessage) (any, error) {
		close(asked)
		<-finish
		return "done", nil
	}}})
	conn := dial(t, p, nil)
	tell(t, conn, `{"id":1,"method":"fake_hang"}`)
	tell(t, conn, `{"jsonrpc":"2.0","id":2,"method":"our_slow"}`)
	<-f.hung
	<-asked
	down := make(chan error, 1)
	go func() { down <- p.Shutdown(t.Context()) }()
	f.dropAll()
	if got := hear(t, conn); !strings.Contains(got, `"id":1,"error"`) {
		t.Errorf("got %s", got)
	}
	close(finish)
	if got := hear(t, conn); !strings.Contains(got, `"done"`) {
		t.Errorf("got %s", got)
	}
	closing(t, conn)
	if err := <-down; err != nil {
		t.Error(err)
	}
}
