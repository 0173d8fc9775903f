package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// speak sends bytes as they are and returns the status of the first answer.
func speak(t *testing.T, p *Proxy, text string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// TestBodiesMeanOneThing: the node gets no body of which it is told that it has
// another encoding than the one in which it was judged here.
func TestBodiesMeanOneThing(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http()})
	body := `{"id":1,"method":"eth_x","params":["+ACIAXQAsACI-"]}`
	for headers, want := range map[string]int{
		"Content-Type: application/json\r\n":                                                         200,
		"Content-Type: Application/JSON; charset=utf-8\r\n":                                          200,
		"Content-Type: application/json; charset=\"UTF-8\"\r\n":                                      200,
		"Content-Type: application/json;charset=utf8\r\n":                                            200,
		"Content-Type: application/json; charset=utf-7\r\n":                                          415,
		"Content-Type: application/json; charset=utf-16le\r\n":                                       415,
		"Content-Type: application/json; charset=utf-8; charset=utf-7\r\n":                           415,
		"Content-Type: application/json\r\nContent-Type: multipart/form-data\r\n":                    415,
		"Content-Type: application/json; charset=utf-8; x=\"; charset=utf-7\"\r\n":                   415,
		"Content-Type: application/json\r\nContent-Encoding: gzip\r\n":                               415,
		"Content-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n": 415,
	} {
		before := len(f.seen())
		got := speak(t, p, fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body))
		if passed := len(f.seen()) > before; got != want || passed != (want == 200) {
			t.Errorf("%q: got %d, passed %v", headers, got, passed)
		}
	}
}
