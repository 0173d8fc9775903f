package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// framing is a WebSocket client that writes frames by hand.
type framing struct {
	net.Conn
	reader *bufio.Reader
}

// framed opens a WebSocket for which compression was asked.
func framed(t *testing.T, p *Proxy) *framing {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("got %v", answer)
	}
	return &framing{conn, reader}
}

// frame is a masked frame, under a mask of zeros.
func frame(first byte, payload string) []byte {
	out := []byte{first}
	switch n := len(payload); {
	case n < 126:
		out = append(out, 0x80|byte(n))
	default:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(n))
	}
	return append(append(out, 0, 0, 0, 0), payload...)
}

// next reads a frame that is short or of medium length.
func (f *framing) next() (first byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(f.reader, head[:]); err != nil {
		return 0, "", err
	}
	length := int(head[1])
	if length == 126 {
		var long [2]byte
		if _, err := io.ReadFull(f.reader, long[:]); err != nil {
			return 0, "", err
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	text := make([]byte, length)
	_, err = io.ReadFull(f.reader, text)
	return head[0], string(text), err
}

// TestFrames: however a message is cut it is one, and what is no message ends the
// connection.
func TestFrames(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), MaxBody: 10_000})
	const call = `{"id":1,"method":"a"}`
	split := frame(0x01, "")
	for i := range len(call) {
		split = append(append(split, frame(0x00, call[i:i+1])...), frame(0x89, "ping")...)
	}
	split = append(split, frame(0x80, "")...)
	for name, c := range map[string]struct {
		sent []byte
		code int // of the end, 0: a call is answered
	}{
		"whole":             {frame(0x81, call), 0},
		"binary":            {frame(0x82, call), 0},
		"byte by byte":      {split, 0},
		"compressed":        {frame(0xc1, call), websocket.CloseProtocolError},
		"reserved":          {frame(0x83, call), websocket.CloseProtocolError},
		"not begun":         {frame(0x80, call), websocket.CloseProtocolError},
		"begun twice":       {append(frame(0x01, call), frame(0x81, call)...), websocket.CloseProtocolError},
		"split ping":        {frame(0x09, "x"), websocket.CloseProtocolError},
		"long ping":         {frame(0x89, strings.Repeat("x", 126)), websocket.CloseProtocolError},
		"not masked":        {append([]byte{0x81, byte(len(call))}, call...), websocket.CloseProtocolError},
		"claims very much":  {append([]byte{0x81, 0xff, 0x7f}, bytes.Repeat([]byte{0xff}, 11)...), websocket.CloseMessageTooBig},
		"claims a negative": {append([]byte{0x81, 0xff}, bytes.Repeat([]byte{0xff}, 12)...), websocket.CloseAbnormalClosure},
		"sum is too much":   {append(frame(0x01, strings.Repeat(" ", 6000)), frame(0x80, strings.Repeat(" ", 6000))...), websocket.CloseMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			client := framed(t, p)
			if _, err := client.Write(c.sent); err != nil {
				t.Fatal(err)
			}
			for {
				first, payload, err := client.next()
				switch {
				case errors.Is(err, io.EOF) && c.code == websocket.CloseAbnormalClosure: // without a word
				case err != nil:
					t.Fatal(err)
				case first == 0x8a || first == 0x89:
					continue
				case first == 0x88:
					if code := int(binary.BigEndian.Uint16([]byte(payload))); code != c.code {
						t.Errorf("ended with %d: %s", code, payload[2:])
					}
				case c.code != 0 || !strings.Contains(payload, `"node":"a"`):
					t.Errorf("got %x %s", first, payload)
				}
				return
			}
		})
	}
}

// TestPingFlood: who only pings and reads no pongs hinders nobody, and is let go.
func TestPingFlood(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.ws(), WriteTimeout: 200 * time.Millisecond})
	flood := framed(t, p)
	pings := bytes.Repeat(frame(0x89, strings.Repeat("x", 120)), 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := flood.Write(pings); err != nil {
				return
			}
		}
	}()
	if got := post(t, p, `{"id":1,"method":"a"}`); !strings.Contains(got, `"node":"a"`) {
		t.Errorf("got %s", got)
	}
	flood.Close()
	<-ended
}
