package extapi

import (
	"bytes"
	"io"
	"time"
)

// maxRead is how much is read at once, and so how much of the next messages
// may be read with a large one.
const maxRead = 32 << 10

// wire is the connection as the decoder reads it: bounded and under a deadline.
type wire struct{ *ipcConn }

// Read is called when a message needs more bytes than have been read.
func (w wire) Read(p []byte) (int, error) {
	c := w.ipcConn
	if c.first {
		c.first = false
		c.begin(c.rest())
	}
	have := c.total - c.start
	if have >= c.cfg.MaxBody {
		return 0, errMessageTooLarge
	}
	if have >= c.large.above && !c.entered {
		if err := c.enterLarge(); err != nil {
			return 0, err
		}
	}
	limit := c.cfg.MaxBody
	if !c.entered {
		limit = min(limit, c.large.above)
	}
	n, err := c.Read(p[:min(int64(len(p)), limit-have, maxRead)])
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

// exchange is one message and its answer, as the rpc server sees them: a
// connection that ends after the message.
type exchange struct {
	conn  *ipcConn
	frame []byte // what the server has not read yet
	end   error  // what comes after it
}

// Read gives the server the message.
func (x *exchange) Read(p []byte) (int, error) {
	if len(x.frame) == 0 {
		x.frame = nil
		return 0, x.end
	}
	n := copy(p, x.frame)
	x.frame = x.frame[n:]
	return n, nil
}

// Write sends the answer. The rpc server writes it at once.
func (x *exchange) Write(p []byte) (int, error) {
	named := x.conn.naming().name(p)
	if n, err := (deadlineWriter{x.conn}).Write(named); err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

// RemoteAddr tells the server who asks, see [whoAsks].
func (x *exchange) RemoteAddr() string { return x.conn.principal }

// SetWriteDeadline does nothing: the deadline is set by Write.
func (x *exchange) SetWriteDeadline(time.Time) error { return nil }

// Close does nothing: other messages come and are answered.
func (x *exchange) Close() error { return nil }

// deadlineWriter sends answers, one after the other and each within the write
// timeout. A caller who doesn't take one in time is cut off: the rest of a
// half-written answer can't be told from the next.
type deadlineWriter struct{ *ipcConn }

// Write closes the connection when it can't write everything.
func (w deadlineWriter) Write(p []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	_ = w.SetWriteDeadline(time.Now().Add(w.cfg.WriteTimeout)) // fails only on a closed connection
	n, err := w.Conn.Write(p)
	if err != nil {
		_ = w.Close()
	}
	return n, err
}
