package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ipcLink is a link over a socket of the machine. Messages are JSON values, one
// after the other.
type ipcLink struct {
	conn    net.Conn
	cfg     Config
	reader  *bufio.Reader
	writing sync.Mutex
}

func newIPCLink(conn net.Conn, cfg Config) *ipcLink {
	return &ipcLink{conn: conn, cfg: cfg, reader: bufio.NewReaderSize(conn, 32<<10)}
}

func (l *ipcLink) send(_ int, message []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.cfg.WriteTimeout)) // fails only on a closed connection
	buffers := net.Buffers{message, []byte("\n")}
	_, err := buffers.WriteTo(l.conn)
	return err
}

func (l *ipcLink) receive() (kind int, message io.Reader, err error) {
	_ = l.conn.SetReadDeadline(time.Time{}) // fails only on a closed connection
	for {
		c, err := l.reader.ReadByte()
		switch {
		case err != nil:
			return 0, nil, err
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			continue
		case c != '{' && c != '[':
			return 0, nil, errNodeGarbage
		}
		if err := l.reader.UnreadByte(); err != nil {
			return 0, nil, err
		}
		return websocket.TextMessage, paced{&ipcMessage{from: l.reader}, l.conn, l.cfg.NodeTimeout}, nil
	}
}

func (l *ipcLink) close() { _ = l.conn.Close() }

// ipcMessage reads one message off the stream.
type ipcMessage struct {
	from *bufio.Reader
	walk walker
}

// Read reads up to the message's end.
func (m *ipcMessage) Read(p []byte) (int, error) {
	if m.walk.ended() {
		return 0, io.EOF
	}
	if _, err := m.from.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	ready, err := m.from.Peek(min(len(p), m.from.Buffered()))
	if err != nil {
		return 0, err
	}
	n := m.walk.feed(ready)
	copy(p, ready[:n])
	_, err = m.from.Discard(n)
	return n, err
}
