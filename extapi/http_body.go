package extapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// Bodies above smallBody bytes, such as blob transactions, are read a few at a
// time, so that memory doesn't grow with the number of connections.
const (
	smallBody      = 64 << 10
	maxLargeBodies = 16
)

var errWaited = fmt.Errorf("waiting to read a large body: %w", os.ErrDeadlineExceeded)

// screenedBody is a request's body as the rpc server reads it. It reads the
// caller's body, whole and bounded, when the server first reads: by then the
// server has checked the method, the length and the content type.
type screenedBody struct {
	body    io.ReadCloser
	length  int64 // as the caller says; -1: unknown
	cfg     ServerConfig
	large   chan struct{}   // places for large bodies
	hangup  <-chan struct{} // the caller is gone
	refused *refusals
	answers *answering // of the caller

	entered bool          // has a place
	frame   *bytes.Reader // nil until read
	err     error         // of reading
}

// Read returns the screened message, or the error that the server answers with
// "parse error" or "read timeout".
func (b *screenedBody) Read(p []byte) (int, error) {
	if b.frame == nil {
		var frame []byte
		frame, b.err = b.screen()
		b.frame = bytes.NewReader(frame)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.frame.Read(p)
}

// enter waits for a place if the body may be large.
func (b *screenedBody) enter() error {
	if b.length >= 0 && b.length <= smallBody {
		return nil
	}
	patience := time.NewTimer(b.cfg.ReadTimeout)
	defer patience.Stop()
	select {
	case b.large <- struct{}{}:
		b.entered = true
		return nil
	case <-patience.C:
		return errWaited
	case <-b.hangup:
		return errWaited
	}
}

// leave gives the place back, when the request has been answered.
func (b *screenedBody) leave() {
	if b.entered {
		<-b.large
	}
}

func (b *screenedBody) screen() ([]byte, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	message, err := io.ReadAll(io.LimitReader(b.body, b.cfg.MaxBody+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(message)) > b.cfg.MaxBody:
		return nil, fmt.Errorf("body has more than %d bytes", b.cfg.MaxBody)
	case len(bytes.TrimSpace(message)) == 0:
		return nil, nil
	case !json.Valid(message):
		return nil, errors.New("body is not JSON")
	}
	b.answers.begin(b.cfg.RequestTimeout, bytes.TrimSpace(message)[0] == '[')
	out := screen(message, b.cfg.MaxBatch)
	if out.notifications > 0 {
		b.refused.add(refusedNotification, slog.String("transport", "http"), slog.Int("count", out.notifications))
	}
	return out.frame, nil
}

// Close closes the caller's body.
func (b *screenedBody) Close() error { return b.body.Close() }
