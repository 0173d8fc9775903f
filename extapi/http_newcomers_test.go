package extapi

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTLSSlowHandshakes are cut, at whichever byte they stop.
func TestTLSSlowHandshakes(t *testing.T) {
	server := newPremises(t).open(newProbe(), ServerConfig{HeaderTimeout: 50 * time.Millisecond, ReadTimeout: time.Hour, RequestTimeout: time.Hour})
	for _, begun := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
		client := dialHTTP(t, server)
		client.request(begun, "")
		if _, err := io.ReadAll(client.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: not cut", begun)
		}
	}
}

// TestTLSHandshakesDoNotHoldAllPlaces: those who connect and say nothing take each
// other's places, never those of callers who were heard, and keep nobody out.
func TestTLSHandshakesDoNotHoldAllPlaces(t *testing.T) {
	const places = 16
	said := new(journal)
	p := newPremises(t)
	server := p.open(newProbe(), ServerConfig{MaxHTTPConns: places, HeaderTimeout: time.Hour, ReadTimeout: time.Hour, Logger: said.logger()})
	cert := p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}})
	heard := p.caller(server, cert)
	heard.served()
	for range 3 * places {
		dialHTTP(t, server)
	}
	for range 3 {
		p.caller(server, cert).served()
	}
	heard.served()
	if said.count("to make room") == 0 {
		t.Error("the log has no word of it")
	}
}

// TestHTTPConnectionsThatSayNothing does the same in clear.
func TestHTTPConnectionsThatSayNothing(t *testing.T) {
	const places = 16
	server := listeners(t, newProbe(), ServerConfig{MaxHTTPConns: places, HeaderTimeout: time.Hour, ReadTimeout: time.Hour})
	heard := make([]*httpClient, places/2)
	for i := range heard {
		heard[i] = dialHTTP(t, server)
		heard[i].post("", versionCall)
		heard[i].answer()
	}
	for range 3 * places {
		dialHTTP(t, server).request("POST / HTTP/1.1\r\n", "")
	}
	for _, client := range slices.Concat(heard, []*httpClient{dialHTTP(t, server)}) {
		client.post("", versionCall)
		if status, body := client.answer(); status != 200 || body != versionAnswer {
			t.Errorf("got %d %s", status, body)
		}
	}
}

// TestConnectionsThatRestKeepNobodyOut: a caller that keeps connections open, all that
// there may be, gives one up for each caller that comes, the one that rests longest.
func TestConnectionsThatRestKeepNobodyOut(t *testing.T) {
	const places = 8
	p := newPremises(t)
	server := p.open(newProbe(), ServerConfig{MaxHTTPConns: places, ReadTimeout: time.Hour})
	hoarder := p.client(x509.Certificate{DNSNames: []string{"hoarder.example"}})
	for range 3 * places {
		p.caller(server, hoarder).served()
	}
	other := p.caller(server, p.client(x509.Certificate{DNSNames: []string{"other.example"}}))
	for range 3 {
		other.served()
	}
}

// namesTokens takes a token for a name.
type namesTokens struct{}

func (namesTokens) Identify(_ context.Context, header http.Header) (string, time.Time, error) {
	return strings.TrimPrefix(header.Get("Authorization"), "Bearer "), time.Time{}, nil
}

// TestConnectionsAreLeftForOthers: a caller who is known, and opens connections on which it never
// ends a request, has no more of them than are left, and what it gives up it can have again.
func TestConnectionsAreLeftForOthers(t *testing.T) {
	const places = 8
	said := new(journal)
	server := listeners(t, newProbe(), ServerConfig{MaxHTTPConns: places, Tokens: namesTokens{}, ReadTimeout: time.Hour, RequestTimeout: time.Hour, Logger: said.logger()})
	const half = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nAuthorization: Bearer mallory\r\n\r\n"
	var kept []*httpClient
	for range 3 * places {
		client := dialHTTP(t, server)
		client.request(half, "")
		kept = append(kept, client)
	}
	crowded := 0
	for range 3 {
		client := dialHTTP(t, server)
		client.post("Authorization: Bearer mallory\r\n", versionCall)
		if status, body := client.answer(); status == http.StatusServiceUnavailable && strings.Contains(body, "too many connections of mallory") {
			crowded++
		}
	}
	if crowded != 3 || said.count("too many connections of mallory") == 0 {
		t.Errorf("%d of 3 are told that there are too many", crowded)
	}
	for range 3 {
		client := dialHTTP(t, server)
		client.post("Authorization: Bearer batcher\r\n", versionCall)
		if status, body := client.answer(); status != 200 || body != versionAnswer {
			t.Errorf("another caller got %d %s", status, body)
		}
	}
	for _, client := range kept {
		client.Close()
	}
	for deadline := time.Now().Add(patience); ; {
		client := dialHTTP(t, server)
		client.post("Authorization: Bearer mallory\r\n", versionCall)
		if status, _ := client.answer(); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what was given up can't be had again")
		}
	}
}

// hangingTokens knows a token, and comes to no end with others.
type hangingTokens struct{ asked, left, over chan struct{} }

func (h hangingTokens) Identify(ctx context.Context, header http.Header) (string, time.Time, error) {
	if header.Get("Authorization") == "Bearer good" {
		return "batcher", time.Time{}, nil
	}
	h.asked <- struct{}{}
	select {
	case <-ctx.Done():
		h.left <- struct{}{}
	case <-h.over:
	}
	return "", time.Time{}, errors.New("nobody")
}

// TestStrangersMakeRoom: those whose proof takes long to judge keep nobody out, and take no
// place of a caller who is known. Nothing of theirs is left.
func TestStrangersMakeRoom(t *testing.T) {
	const places = 8
	tokens := hangingTokens{make(chan struct{}, 4*places), make(chan struct{}, 4*places), make(chan struct{})}
	p := newProbe()
	server := listeners(t, p, ServerConfig{MaxHTTPConns: places, Tokens: tokens, ReadTimeout: time.Hour, RequestTimeout: time.Hour})
	const good = "Authorization: Bearer good\r\n"
	busy := dialHTTP(t, server)
	busy.post(good, waitCall)
	<-p.entered
	for range 2 * places {
		dialHTTP(t, server).post("Authorization: Bearer junk\r\n", versionCall)
		<-tokens.asked
	}
	for range 3 {
		client := dialHTTP(t, server)
		client.post(good, versionCall)
		if status, body := client.answer(); status != 200 || body != versionAnswer {
			t.Errorf("got %d %s", status, body)
		}
	}
	for range places + 1 { // who made room waits no longer
		<-tokens.left
	}
	close(tokens.over)
	close(p.release)
	if status, _ := busy.answer(); status != 200 {
		t.Errorf("a caller who is known gets %d", status)
	}
}

// TestStrangerThatIsGone: who has made room before it was known is not heard.
func TestStrangerThatIsGone(t *testing.T) {
	waiting := newNewcomers(8)
	conn := &namedConn{name: "a", closed: new(strings.Builder)}
	ctx := waiting.attach(t.Context(), conn)
	waiting.follow(conn, http.StateNew)
	waiting.follow(conn, http.StateActive)
	if waiting.dismiss() {
		t.Error("one that is heard has made room")
	}
	Stranger(ctx)
	if !Known(ctx) || waiting.dismiss() {
		t.Error("one that is known has made room")
	}
	Stranger(ctx)
	if !waiting.dismiss() || Known(ctx) || ctx.Err() == nil {
		t.Error("a stranger has not made room, or is heard all the same")
	}
	Stranger(ctx)
	waiting.follow(conn, http.StateClosed)
	if waiting.dismiss() || len(waiting.places) != 0 || len(waiting.ends) != 0 {
		t.Error("something is left")
	}
}

// TestNewcomersLeaveInOrder: the oldest is closed first, each once, and those that rest
// after those that have said nothing.
func TestNewcomersLeaveInOrder(t *testing.T) {
	waiting := newNewcomers(8)
	conns := make([]*namedConn, 4)
	var closed strings.Builder
	for i := range conns {
		conns[i] = &namedConn{name: string(rune('a' + i)), closed: &closed}
		waiting.follow(conns[i], 0)
	}
	waiting.follow(conns[1], 1)
	waiting.follow(conns[1], 2)
	for waiting.dismiss() {
		continue // until none is left
	}
	if closed.String() != "acdb" || len(waiting.places) != 0 {
		t.Errorf("closed %q, %d left", closed.String(), len(waiting.places))
	}
	for _, change := range []struct {
		conn  int
		state http.ConnState
	}{{0, http.StateIdle}, {1, http.StateIdle}, {2, http.StateNew}, {3, http.StateIdle}, {0, http.StateActive}, {0, http.StateIdle}, {3, http.StateClosed}} {
		waiting.follow(conns[change.conn], change.state)
	}
	closed.Reset()
	for waiting.dismiss() {
		continue // until none is left
	}
	if closed.String() != "cba" || len(waiting.places) != 0 {
		t.Errorf("closed %q, %d left", closed.String(), len(waiting.places))
	}
}

// TestWhoComesHasTime: where strangers have the places one of them makes room, and not who
// has just come and could not say anything yet; where no fewer say nothing, one of those.
func TestWhoComesHasTime(t *testing.T) {
	waiting := newNewcomers(8)
	var closed strings.Builder
	come := func(name string) (*namedConn, context.Context) {
		conn := &namedConn{name: name, closed: &closed}
		ctx := waiting.attach(t.Context(), conn)
		waiting.follow(conn, http.StateNew)
		return conn, ctx
	}
	for _, name := range []string{"a", "b", "c"} {
		conn, ctx := come(name)
		waiting.follow(conn, http.StateActive)
		Stranger(ctx)
	}
	for _, name := range []string{"w", "x", "y", "z"} {
		come(name)
		waiting.dismiss()
	}
	if got := closed.String(); got != "awxy" {
		t.Errorf("%s made room, want one of more strangers, and then those who said nothing the longest", got)
	}
}

type namedConn struct {
	net.Conn
	name   string
	closed *strings.Builder
}

func (c *namedConn) Close() error {
	c.closed.WriteString(c.name)
	return nil
}
