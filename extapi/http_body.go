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

var errWaited = fmt.Errorf("waiting to read a large body: %w", os.ErrDeadlineExceeded)

// screenedBody is a request's body as the rpc server reads it. It reads the
// caller's body, whole and bounded, when the server first reads: by then the
// server has checked the method, the length and the content type.
type screenedBody struct {
	body      io.ReadCloser
	cfg       ServerConfig
	large     *largePlaces
	principal string
	hangup    <-chan struct{} // the caller is gone
	refused   *refusals
	answers   *answering      // of the caller
	readUntil func(time.Time) // sets the deadline: the time of waiting for a place is not the caller's

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

// read reads the body. What is above smallBody waits for a place: not before so much has
// come, so that a caller who says that a large body follows, or one without a length, has
// no place for it.
func (b *screenedBody) read() ([]byte, error) {
	head, err := io.ReadAll(io.LimitReader(b.body, min(smallBody, b.cfg.MaxBody)+1))
	if size := int64(len(head)); err != nil || size <= smallBody || size > b.cfg.MaxBody {
		return head, err
	}
	if err := b.large.enter(b.principal, b.cfg.ReadTimeout, b.hangup); err != nil {
		return nil, err
	}
	b.entered = true
	b.readUntil(time.Now().Add(b.cfg.ReadTimeout))
	whole, err := io.ReadAll(io.MultiReader(bytes.NewReader(head), io.LimitReader(b.body, b.cfg.MaxBody+1-int64(len(head)))))
	if err == nil && int64(len(whole)) <= b.cfg.MaxBody {
		b.readUntil(time.Time{}) // the server watches for a hang-up by reading on
	}
	return whole, err
}

// leave gives the place back, when the request has been answered.
func (b *screenedBody) leave() {
	if b.entered {
		b.large.leave(b.principal)
	}
}

func (b *screenedBody) screen() ([]byte, error) {
	message, err := b.read()
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
