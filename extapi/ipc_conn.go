package extapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// maxFlightBodies is how many messages of the greatest size one connection may
// have in flight.
const maxFlightBodies = 4

var errMessageTooLarge = errors.New("message too large")

// ipcConn stands between a connection and the rpc server: what the server
// reads is screened, bounded and paced, and what it writes has a deadline.
// A connection may idle between messages for ever, as geth's does; a message
// once begun must arrive within the read timeout.
type ipcConn struct {
	net.Conn
	cfg     ServerConfig
	refused *refusals
	flight  *flight

	// Used by the rpc server's only reading goroutine.
	dec   *json.Decoder
	frame []byte // what is left of a frame that the server is reading
	total int64  // bytes read from the connection
	start int64  // offset of the message being read
	begun bool   // the message has more than white space
	first bool   // nothing has been read for the message yet

	mu       sync.Mutex
	draining bool
}

func newIPCConn(conn net.Conn, cfg ServerConfig, refused *refusals) *ipcConn {
	c := &ipcConn{Conn: conn, cfg: cfg, refused: refused, flight: newFlight(cfg.MaxInFlight, maxFlightBodies*cfg.MaxBody)}
	c.dec = json.NewDecoder(wire{c})
	return c
}

// Read gives the rpc server the next screened frame, one JSON value and a
// newline. A syntax error is passed on: the server answers it and closes.
func (c *ipcConn) Read(p []byte) (int, error) {
	for len(c.frame) == 0 {
		frame, err := c.next()
		if err != nil {
			return 0, err
		}
		c.frame = frame
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

// next reads a message and screens it. The frame is empty when nothing of the
// message may run.
func (c *ipcConn) next() ([]byte, error) {
	if c.isDraining() {
		return nil, io.EOF
	}
	c.start, c.begun, c.first = c.dec.InputOffset(), false, true
	var message json.RawMessage
	if err := c.dec.Decode(&message); err != nil {
		return nil, c.readError(err)
	}
	if c.begun {
		c.setReadDeadline(time.Time{})
	}
	out := screen(message, c.cfg.MaxBatch)
	if out.notifications > 0 {
		c.refused.add(refusedNotification, slog.String("transport", "ipc"), slog.Int("count", out.notifications))
	}
	if len(out.frame) == 0 {
		return nil, nil
	}
	if !c.flight.enter(len(out.frame)) {
		return nil, io.EOF
	}
	return append(out.frame, '\n'), nil
}

// readError says why a message could not be read, to the caller if he did not
// just hang up. Every error ends the connection.
func (c *ipcConn) readError(err error) error {
	var why string
	var timeout net.Error
	switch {
	case c.isDraining():
		return io.EOF
	case errors.Is(err, errMessageTooLarge):
		why = fmt.Sprintf("message too large, want at most %d bytes", c.cfg.MaxBody)
	case errors.As(err, &timeout) && timeout.Timeout():
		why = "read timeout"
	default:
		return err
	}
	c.refused.add(refusedMessage, slog.String("transport", "ipc"), slog.String("reason", why))
	_, _ = fmt.Fprintf(deadlineWriter{c}, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":%q}}`+"\n", why) // best effort: the connection ends here
	return err
}

// wire is the connection as the decoder reads it: bounded and under a deadline.
type wire struct{ *ipcConn }

// Read is called when a message needs more bytes than have been read.
func (w wire) Read(p []byte) (int, error) {
	c := w.ipcConn
	if c.first {
		c.first = false
		c.begin(c.rest())
	}
	room := c.cfg.MaxBody - (c.total - c.start)
	if room <= 0 {
		return 0, errMessageTooLarge
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), room)])
	c.total += int64(n)
	c.begin(p[:n])
	return n, err
}

// rest returns what was read together with the message before.
func (c *ipcConn) rest() []byte {
	rest, _ := io.ReadAll(c.dec.Buffered()) // from memory, never fails
	return rest
}

// begin starts the clock of a message with its first byte.
func (c *ipcConn) begin(chunk []byte) {
	if !c.begun && len(bytes.TrimLeft(chunk, " \t\r\n")) > 0 {
		c.begun = true
		c.setReadDeadline(time.Now().Add(c.cfg.ReadTimeout))
	}
}

// Write sends one answer. A caller who doesn't take it in time is cut off: the
// rest of a half-written answer can't be told from the next.
func (c *ipcConn) Write(p []byte) (int, error) {
	defer c.flight.leave()
	return deadlineWriter{c}.Write(p)
}

// SetWriteDeadline does nothing: the deadline is set by Write.
func (c *ipcConn) SetWriteDeadline(time.Time) error { return nil }

// Close closes the connection and lets no further message run.
func (c *ipcConn) Close() error {
	c.flight.close()
	return c.Conn.Close()
}

// drain makes the rpc server stop reading: it answers what it has and closes.
func (c *ipcConn) drain() {
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
	c.setReadDeadline(time.Time{})
	c.flight.close()
}

func (c *ipcConn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

func (c *ipcConn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		t = time.Unix(1, 0)
	}
	_ = c.SetReadDeadline(t) // fails only on a closed connection
}

// deadlineWriter writes to the connection within the write timeout.
type deadlineWriter struct{ *ipcConn }

// Write closes the connection when it can't write everything.
func (w deadlineWriter) Write(p []byte) (int, error) {
	_ = w.Conn.SetWriteDeadline(time.Now().Add(w.cfg.WriteTimeout)) // fails only on a closed connection
	n, err := w.Conn.Write(p)
	if err != nil {
		_ = w.Close()
	}
	return n, err
}
