package proxy

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// chunked begins a request whose body has no length.
const chunked = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n"

// TestLargePlaces: nobody has a place for a body that has not come, and of the places one caller
// has a part, whatever it promises or sends.
func TestLargePlaces(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: whoami(), ReadTimeout: time.Hour, Callers: extapi.Callers{Tokens: cards{time.Hour}}})
	asks := func(what, form string, args ...any) {
		t.Helper()
		conn := dialed(t, p)
		fmt.Fprintf(conn, form, args...)
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _ = got.Body.Close(); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", what, got.StatusCode)
		}
	}
	all := func() {
		t.Helper()
		for what, pad := range map[string]int{"small": 0, "large": 2 * smallBody} {
			body := whoCall + strings.Repeat(" ", pad)
			asks(what+" without a length", chunked+"%x\r\n%s\r\n0\r\n\r\n", "batcher", len(body), body)
			asks(what, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer batcher\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
	for range maxLargeBodies {
		fmt.Fprintf(dialed(t, p), chunked, "evil")
		fmt.Fprintf(dialed(t, p), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer evil\r\nContent-Length: %d\r\n\r\n", 1<<20)
	}
	all()
	for range maxLargeBodies { // and these do come, up to their last byte
		fmt.Fprintf(dialed(t, p), chunked+"%x\r\n%s", "evil", 3*smallBody, strings.Repeat(" ", 3*smallBody-1))
	}
	all()
}
