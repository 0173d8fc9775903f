package extapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
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

// serve has the message answered as one over HTTP: only there does the rpc server take
// the context of a connection, by which a call learns in time that its caller is gone. There
// are no subscriptions, and Clef's words for that are those of a connection.
func (x *exchange) serve(ctx context.Context, server *rpc.Server) {
	if subscribes(x.frame) {
		server.ServeCodec(rpc.NewCodec(x), 0)
		return
	}
	share := x.conn.cfg.Answers.Share(x.conn.principal, &x.conn.free)
	defer share.Leave()
	request := &http.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(x), ContentLength: int64(len(x.frame)),
	}
	server.ServeHTTP(&response{x, make(http.Header)}, request.WithContext(share.Into(ctx)))
}

// subscribes reports whether a message is one call of a subscription.
func subscribes(frame []byte) bool {
	if frame[0] != '{' || !bytes.Contains(frame, []byte(`_subscribe"`)) {
		return false
	}
	for name, value := range members(frame) {
		if string(name) == `"method"` {
			return bytes.HasSuffix(value, []byte(`_subscribe"`))
		}
	}
	return false
}

// response is where the rpc server writes the answer to an exchange.
type response struct {
	*exchange
	header http.Header
}

// Header returns headers that are sent to nobody.
func (r *response) Header() http.Header { return r.header }

// WriteHeader does nothing: an answer of JSON-RPC has no status.
func (r *response) WriteHeader(int) {}

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

// Write sends the answer, on a line. The rpc server writes it at once.
func (x *exchange) Write(p []byte) (int, error) {
	answer := x.conn.naming().name(p)
	if !bytes.HasSuffix(answer, []byte("\n")) {
		answer = append(answer[:len(answer):len(answer)], '\n')
	}
	if n, err := (deadlineWriter{x.conn}).Write(answer); err != nil {
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
