package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// TestRefusedGiveTheirPlaceUp: a request that is refused by its headers is answered at once,
// though the body that it promised does not come, and keeps nobody out.
func TestRefusedGiveTheirPlaceUp(t *testing.T) {
	const places = 4
	f := newFake(t)
	const known = "Authorization: Bearer batcher\r\n"
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"no token":    {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n", 401},
		"host":        {"POST / HTTP/1.1\r\nHost: evil.example\r\n" + known, 403},
		"origin":      {"POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n" + known, 403},
		"type":        {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n" + known, 415},
		"method":      {"PUT / HTTP/1.1\r\nHost: localhost\r\n" + known, 405},
		"options":     {"OPTIONS / HTTP/1.1\r\nHost: localhost\r\n" + known, 204},
		"a page asks": {"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n", 204},
	} {
		for _, promise := range []string{"Content-Length: 1000\r\n", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"} {
			t.Run(name+", "+strings.TrimSpace(promise), func(t *testing.T) {
				p := started(t, Config{
					Node: f.http(), Methods: whoami(), MaxConns: places, HeaderTimeout: time.Hour, ReadTimeout: time.Hour,
					Callers: extapi.Callers{Tokens: cards{time.Hour}}, AllowedOrigins: []string{"https://app.example"},
				})
				refused := make([]net.Conn, places)
				for i := range refused {
					refused[i] = dialed(t, p)
					fmt.Fprint(refused[i], c.head+promise+"\r\n")
				}
				for _, conn := range refused {
					if got, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || got.StatusCode != c.status || !got.Close {
						t.Fatalf("got %+v, %v", got, err)
					}
				}
				for range places + 1 {
					if got := send(t, p, http.MethodPost, whoCall, map[string]string{"Authorization": "Bearer batcher"}); got.err != nil || got.status != 200 {
						t.Fatalf("who has a token got %+v", got)
					}
				}
				for _, conn := range refused {
					if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
						t.Errorf("not closed: %v", err)
					}
				}
			})
		}
	}
}

// dialed returns a connection of which nothing is waited for long.
func dialed(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestReadTimeoutEndsNoOther: the time for a body is neither that of a call nor that of
// a WebSocket.
func TestReadTimeoutEndsNoOther(t *testing.T) {
	const timeout = 300 * time.Millisecond
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), Methods: whoami(), ReadTimeout: timeout})
	conn := dial(t, p, nil)
	resting := dialed(t, p)
	answers := bufio.NewReader(resting)
	for range 3 {
		<-time.After(2 * timeout)
		tell(t, conn, whoCall)
		if got := hear(t, conn); got != answerOf("anonymous") {
			t.Error(got)
		}
		fmt.Fprintf(resting, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(whoCall), whoCall)
		got, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(got.Body); err != nil || got.StatusCode != http.StatusOK {
			t.Errorf("%d %s, %v", got.StatusCode, text, err)
		}
	}
}
