package extapi

import (
	"io"
	"strings"
	"testing"
	"time"
)

// TestRefusedGiveTheirPlaceUp: a request that is refused by its headers is answered at once,
// though the body that it promised does not come, and keeps nobody out.
func TestRefusedGiveTheirPlaceUp(t *testing.T) {
	const places = 4
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"no token":       {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n", 401},
		"host":           {"POST / HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer a\r\n", 403},
		"origin":         {"POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nAuthorization: Bearer a\r\n", 403},
		"type":           {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nAuthorization: Bearer a\r\n", 415},
		"method":         {"PUT / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n", 405},
		"GET":            {"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n", 200},
		"is asked first": {"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n", 401},
	} {
		for _, promise := range []string{"Content-Length: 1000\r\n", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"} {
			t.Run(name+", "+strings.TrimSpace(promise), func(t *testing.T) {
				server := listeners(t, newProbe(), ServerConfig{MaxHTTPConns: places, Tokens: cards{}, HeaderTimeout: time.Hour, ReadTimeout: time.Hour})
				refused := make([]*httpClient, places)
				for i := range refused {
					refused[i] = dialHTTP(t, server)
					refused[i].request(c.head+promise+"\r\n", "")
				}
				for _, client := range refused {
					client.soon(10 * time.Second)
					if status, text := client.answer(); status != c.status {
						t.Fatalf("got %d %s", status, text)
					}
				}
				for range places + 1 {
					good := dialHTTP(t, server)
					good.soon(10 * time.Second)
					good.post("Authorization: Bearer a\r\n", versionCall)
					if status, text := good.answer(); status != 200 || text != versionAnswer {
						t.Fatalf("who has a token got %d %s", status, text)
					}
				}
				for _, client := range refused {
					client.closed()
				}
			})
		}
	}
}

// soon bounds what the client waits for.
func (c *httpClient) soon(wait time.Duration) {
	c.t.Helper()
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		c.t.Fatal(err)
	}
}

// TestRefusedHearWhy: a caller who sends all of a large body before it reads has its answer.
func TestRefusedHearWhy(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{Tokens: cards{}})
	for range 20 {
		client := dialHTTP(t, server)
		client.post("", strings.Repeat(" ", 200<<10))
		if status, text := client.answer(); status != 401 || text != InvalidToken {
			t.Fatalf("got %d %s", status, text)
		}
		client.closed()
	}
}

// TestAnsweredKeepTheirConnection: whose body was read, or who promised none, goes on.
func TestAnsweredKeepTheirConnection(t *testing.T) {
	server := listeners(t, newProbe(), ServerConfig{Tokens: cards{}, MaxHTTPConns: 4})
	client := dialHTTP(t, server)
	for range 2 {
		client.request("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "")
		if status, text := client.answer(); status != 401 {
			t.Fatalf("without a token %d %s", status, text)
		}
		client.post("Authorization: Bearer a\r\n", versionCall)
		if status, text := client.answer(); status != 200 || text != versionAnswer {
			t.Fatalf("got %d %s", status, text)
		}
		client.post("Authorization: Bearer a\r\n", "no JSON")
		if status, text := client.answer(); status != 200 || !strings.Contains(text, "parse error") {
			t.Fatalf("got %d %s", status, text)
		}
		client.request("POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\n[]\r\n0\r\n\r\n")
		if status, text := client.answer(); status != 200 {
			t.Fatalf("got %d %s", status, text)
		}
	}
}

// TestEarlyReadsOn: until the answer begins, a body is read as ever.
func TestEarlyReadsOn(t *testing.T) {
	body := &promisedBody{ReadCloser: io.NopCloser(strings.NewReader("four")), left: 4}
	if _, err := io.ReadFull(body, make([]byte, 3)); err != nil || body.over {
		t.Errorf("%v, over %t after three of four bytes", err, body.over)
	}
	if _, err := io.ReadFull(body, make([]byte, 1)); err != nil || !body.over {
		t.Errorf("%v, over %t after all", err, body.over)
	}
}
