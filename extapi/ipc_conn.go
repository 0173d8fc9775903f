package extapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

var errMessageTooLarge = errors.New("message too large")

// ipcConn stands between a connection and the rpc server: what the server
// reads is screened, bounded and paced, and what it writes has a deadline.
// A connection may idle between messages for ever, as geth's does; a message
// once begun must arrive within the read timeout.
type ipcConn struct {
	net.Conn
	uid       uint32 // of the caller, if the listener tells users apart
	principal string
	hangUp    context.CancelFunc // ends the calls that are not decided

	cfg     ServerConfig
	refused *refusals
	flight  *flight
	large   *largePlaces // of all connections
	calls   sync.WaitGroup
	free    int64 // of answers, see [AnswerShare]

	// Used by the only reading goroutine.
	dec     *json.Decoder
	total   int64 // bytes given to the decoder
	start   int64 // offset of the message being read
	begun   bool  // the message has more than white space
	first   bool  // nothing has been read for the message yet
	entered bool  // the message has a place among the large ones

	mu       sync.Mutex
	draining bool

	writing sync.Mutex
}

func newIPCConn(conn net.Conn, cfg ServerConfig, refused *refusals, large *largePlaces) *ipcConn {
	c := &ipcConn{Conn: conn, cfg: cfg, refused: refused, flight: newFlight(cfg.MaxInFlight, maxFlightBytes), large: large, free: FreeAnswers, hangUp: func() {}}
	c.dec = json.NewDecoder(wire{c})
	return c
}

// serve runs the connection's messages until it ends, and then waits for those
// that are being answered. The context is that of its calls, and ends when the caller
// is gone. Each message is served by itself, so that its memory is given back with it:
// the rpc server's codec keeps the largest buffers it needed.
func (c *ipcConn) serve(ctx context.Context, server *rpc.Server) {
	ctx = WithCaller(ctx, ipcCaller(), c.principal)
	defer func() {
		c.calls.Wait()
		_ = c.Close() // its caller has hung up, or there is nothing more to say
	}()
	for {
		frame, leave, err := c.next() //nolint:contextcheck // reading ends by the deadline and by closing
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			// In the server's own words.
			server.ServeCodec(rpc.NewCodec(&exchange{conn: c, end: syntax}), 0)
			return
		case err != nil:
			c.look(!c.isDraining() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)))
			return
		case len(frame) > 0:
			x := &exchange{conn: c, frame: frame, end: io.EOF}
			c.calls.Go(func() {
				defer leave()
				x.serve(ctx, server)
			})
		}
	}
}

// next reads a message and screens it. The frame is empty when nothing of the
// message may run; else the message counts until leave is called.
func (c *ipcConn) next() (frame []byte, leave func(), err error) {
	if c.isDraining() {
		return nil, nil, io.EOF
	}
	c.start, c.begun, c.first, c.entered = c.dec.InputOffset(), false, true, false
	var message json.RawMessage
	if err := c.dec.Decode(&message); err != nil {
		c.giveUp()
		return nil, nil, c.readError(err)
	}
	if c.begun {
		c.setReadDeadline(time.Time{})
	}
	out := screen(message, c.cfg.MaxBatch)
	if out.notifications > 0 {
		c.refused.add(refusedNotification, slog.String("transport", "ipc"), slog.Int("count", out.notifications))
	}
	if c.entered {
		c.renew()
	}
	switch size := len(out.frame); {
	case size == 0:
		c.giveUp()
		return nil, nil, nil
	case c.entered:
		return out.frame, c.leaveLarge, nil
	case !c.flight.enter(size):
		return nil, nil, io.EOF
	default:
		return out.frame, func() { c.flight.leave(size) }, nil
	}
}

// renew lets the buffer of a large message go.
func (c *ipcConn) renew() {
	rest := c.rest()
	c.dec = json.NewDecoder(io.MultiReader(bytes.NewReader(rest), wire{c}))
	c.total = int64(len(rest))
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
	case errors.Is(err, errWaited):
		why = fmt.Sprintf("read timeout, too many messages above %d bytes at the same time", c.large.above)
	case errors.As(err, &timeout) && timeout.Timeout():
		why = "read timeout"
	default:
		return err
	}
	c.refused.add(refusedMessage, slog.String("transport", "ipc"), slog.String("reason", why))
	answer := c.naming().name(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":%q}}`+"\n", why))
	_, _ = deadlineWriter{c}.Write(answer) // best effort: the connection ends here
	return err
}

// naming gives the errors on the connection their ids.
func (c *ipcConn) naming() naming { return namingOfIPC(c.refused.log, c.principal) }

// Close closes the connection, and lets no further message run nor call be decided.
func (c *ipcConn) Close() error {
	c.hangUp()
	c.flight.close()
	return c.Conn.Close()
}

// drain makes serve stop reading: it answers what it has and closes.
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
