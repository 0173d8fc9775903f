package extapi

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestOneCallersLargeBodies: one caller has a quarter of the places at most, and none for a
// body that doesn't come.
func TestOneCallersLargeBodies(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{Tokens: cards{}})
	const greedy, other = "Authorization: Bearer greedy\r\n", "Authorization: Bearer other\r\n"
	for range maxLargeBodies {
		dialHTTP(t, server).request("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"+greedy+"\r\n", "")
		dialHTTP(t, server).request("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"+greedy+"\r\n", "{")
	}
	large := padded(waitCall, smallBody)
	clients := make([]*httpClient, maxLargeBodies)
	for i := range clients {
		clients[i] = dialHTTP(t, server)
		clients[i].post(greedy, large)
		if i < largeShare {
			<-p.entered
		}
	}
	for range 3 {
		client := dialHTTP(t, server)
		client.soon(10 * time.Second)
		client.post(other, padded(versionCall, smallBody))
		if status, body := client.answer(); status != 200 || body != versionAnswer {
			t.Errorf("another caller got %d %s", status, body)
		}
	}
	if calls := p.calls.Load(); calls != largeShare+3 {
		t.Errorf("%d calls ran, want %d", calls, largeShare+3)
	}
	close(p.release)
	for _, client := range clients {
		if status, body := client.answer(); status != 200 || !strings.Contains(body, "released") {
			t.Errorf("got %d %s", status, body)
		}
	}
}

// TestLargeBodyIsWatched: the time for reading a large body ends nothing once it was read, however
// it ends.
func TestLargeBodyIsWatched(t *testing.T) {
	p := newProbe()
	server := listeners(t, p, ServerConfig{ReadTimeout: 300 * time.Millisecond, RequestTimeout: time.Minute})
	for _, more := range []int{1, 1000} {
		client := dialHTTP(t, server)
		client.post("", padded(waitCall, smallBody+more-len(waitCall)))
		<-p.entered
		<-time.After(600 * time.Millisecond)
		select {
		case p.release <- struct{}{}:
		case <-time.After(10 * time.Second):
			t.Fatal("the call has ended")
		}
		if status, body := client.answer(); status != 200 || !strings.Contains(body, "released") {
			t.Errorf("got %d %s", status, body)
		}
	}
}

// TestPlacesAreForgotten with the last message of a caller.
func TestPlacesAreForgotten(t *testing.T) {
	l := newLargePlaces(smallBody, true)
	for range largeShare {
		if err := l.enter("greedy", time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.enter("greedy", time.Millisecond, nil); !errors.Is(err, errWaited) {
		t.Errorf("beyond its share: %v", err)
	}
	if err := l.enter("other", time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	l.leave("other")
	for range largeShare {
		l.leave("greedy")
	}
	if len(l.parts) != 0 || len(l.places) != 0 {
		t.Errorf("%d principals and %d places are left", len(l.parts), len(l.places))
	}
}
