package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// directConn is a connection to the node.
type directConn struct {
	conn   net.Conn
	raw    syscall.RawConn
	since  time.Time // when it became idle
	head   gate
	reader *bufio.Reader
	out    []byte
}

func newDirectConn(conn net.Conn) (*directConn, error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.Join(errors.New("the connection is no socket"), conn.Close())
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c := &directConn{conn: conn, raw: raw}
	c.head.from = conn
	c.reader = bufio.NewReader(&c.head)
	return c, nil
}

// gate bounds what is read, while left is not negative.
type gate struct {
	from io.Reader
	left int
}

// Read reads within the bound.
func (g *gate) Read(p []byte) (int, error) {
	if g.left < 0 {
		return g.from.Read(p)
	}
	if g.left == 0 {
		return 0, fmt.Errorf("reading headers without an end: %w", errNodeGarbage)
	}
	n, err := g.from.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// exchange writes a request and reads the head of its answer. A node may answer
// before it has read everything, and close the connection.
func (c *directConn) exchange(r *http.Request) (*http.Response, error) {
	unsent := c.write(r)
	answer, err := c.read(r)
	switch {
	case err != nil && unsent != nil:
		return nil, unsent
	case err != nil:
		return nil, err
	}
	answer.Close = answer.Close || unsent != nil
	return answer, nil
}

// read reads the head of an answer.
func (c *directConn) read(r *http.Request) (*http.Response, error) {
	c.head.left = maxHeaderBytes
	defer func() { c.head.left = -1 }()
	for {
		answer, err := http.ReadResponse(c.reader, r)
		var network net.Error
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%w: %w", errNodeGarbage, err)
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("the node switches protocols: %w", errNodeGarbage)
		case answer.StatusCode >= http.StatusOK:
			return answer, nil
		}
	}
}

// write sends a request, small ones at once.
func (c *directConn) write(r *http.Request) error {
	out := c.out[:0]
	out = append(append(append(out, "POST "...), r.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	out = append(append(out, host...), "\r\n"...)
	for name, values := range r.Header {
		for _, value := range values {
			if name == "Host" || !plainHeader(name) || !plainHeader(value) {
				continue
			}
			out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
		}
	}
	out = append(out, "Content-Length: "...)
	out = append(strconv.AppendInt(out, r.ContentLength, 10), "\r\n\r\n"...)
	if r.ContentLength > maxKeptOut {
		if _, err := c.conn.Write(out); err != nil {
			return err
		}
		c.out = out
		_, err := io.CopyN(c.conn, r.Body, r.ContentLength)
		return err
	}
	start := len(out)
	out = append(out, make([]byte, r.ContentLength)...)
	if _, err := io.ReadFull(r.Body, out[start:]); err != nil {
		return err
	}
	c.out = out
	_, err := c.conn.Write(out)
	return err
}

// plainHeader reports whether a text can't end a header.
func plainHeader(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
