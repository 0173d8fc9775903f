package extapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// screenedBody is a request's body as the rpc server reads it. It reads the
// caller's body, whole and bounded, when the server first reads: by then the
// server has checked the method, the length and the content type.
type screenedBody struct {
	body     io.ReadCloser
	limit    int64
	maxBatch int
	refused  *refusals

	frame *bytes.Reader // nil until read
}

// Read returns the screened message, or the error that the server answers with
// "parse error" or "read timeout".
func (b *screenedBody) Read(p []byte) (int, error) {
	if b.frame == nil {
		frame, err := b.screen()
		if err != nil {
			return 0, err
		}
		b.frame = bytes.NewReader(frame)
	}
	return b.frame.Read(p)
}

func (b *screenedBody) screen() ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(b.body, b.limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(message)) > b.limit:
		return nil, fmt.Errorf("body has more than %d bytes", b.limit)
	case len(bytes.TrimSpace(message)) == 0:
		return nil, nil
	case !json.Valid(message):
		return nil, errors.New("body is not JSON")
	}
	out, err := screen(message, b.maxBatch)
	if err != nil {
		return nil, err
	}
	if out.notifications > 0 {
		b.refused.add(refusedNotification, slog.String("transport", "http"), slog.Int("count", out.notifications))
	}
	return out.frame, nil
}

// Close closes the caller's body.
func (b *screenedBody) Close() error { return b.body.Close() }
