package proxy

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// link is a connection to a node that carries messages both ways. One goroutine
// receives; any may send.
type link interface {
	send(kind int, message []byte) error
	// receive waits for the next message. It must be read to its end before the
	// next one.
	receive() (kind int, message io.Reader, err error)
	close()
}

// dialer opens links to one node.
type dialer struct {
	target target
	cfg    Config
}

// dial opens a link, and tells the node the trail of the caller whose link it is, ""
// for one that begins here.
func (d dialer) dial(ctx context.Context, trail string) (link, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.DialTimeout)
	defer cancel()
	if d.target.url == nil {
		conn, err := dialIPC(ctx, d.target.path)
		if err != nil {
			return nil, err
		}
		return newIPCLink(conn, d.cfg), nil
	}
	var shake handshake
	dialer := &websocket.Dialer{
		NetDialContext: shake.dial,
		Proxy:          throughProxy(http.ProxyFromEnvironment), TLSClientConfig: d.cfg.NodeTLS.Clone(), HandshakeTimeout: d.cfg.DialTimeout,
	}
	headers := d.target.headers
	if trail != "" {
		headers = headers.Clone()
		headers.Set(trailHeader, trail)
	}
	conn, answer, err := dialer.DialContext(ctx, d.target.url.String(), headers)
	if answer != nil {
		_ = answer.Body.Close() // what the node says of a refusal is not told
	}
	if err != nil {
		return nil, err
	}
	shake.over()
	return newWebLink(conn, d.cfg), nil
}

// webLink is a link over WebSocket. It pings, so that a node that vanished is
// noticed.
type webLink struct {
	conn     *websocket.Conn
	cfg      Config
	writing  sync.Mutex
	done     chan struct{}
	once     sync.Once
	pingDone sync.WaitGroup
}

func newWebLink(conn *websocket.Conn, cfg Config) *webLink {
	l := &webLink{conn: conn, cfg: cfg, done: make(chan struct{})}
	conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(2 * cfg.PingInterval)) })
	l.pingDone.Go(l.ping)
	return l
}

func (l *webLink) ping() {
	ticker := time.NewTicker(l.cfg.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			// An error of a full pipe passes; any other is seen by who receives.
			_ = l.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(l.cfg.PingInterval))
		case <-l.done:
			return
		}
	}
}

func (l *webLink) send(kind int, message []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.cfg.WriteTimeout)) // never fails
	return l.conn.WriteMessage(kind, message)
}

func (l *webLink) receive() (kind int, message io.Reader, err error) {
	_ = l.conn.SetReadDeadline(time.Now().Add(2 * l.cfg.PingInterval)) // never fails before a read
	kind, message, err = l.conn.NextReader()
	return kind, paced{message, l.conn, l.cfg.NodeTimeout}, err
}

// close ends the connection, with a word of goodbye if it can be said at once.
func (l *webLink) close() {
	l.once.Do(func() {
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = l.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second)) // the node may be gone
		_ = l.conn.Close()
		close(l.done)
	})
	l.pingDone.Wait()
}

// paced reads a message of which each piece must come within a time.
type paced struct {
	message io.Reader
	conn    interface{ SetReadDeadline(time.Time) error }
	pace    time.Duration
}

// Read reads a piece.
func (m paced) Read(p []byte) (int, error) {
	_ = m.conn.SetReadDeadline(time.Now().Add(m.pace)) // fails only on a closed connection
	return m.message.Read(p)
}
