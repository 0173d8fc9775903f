package extapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"
)

// trickle is a connection from which a few bytes come at a time.
type trickle struct {
	net.Conn // nil: what isn't overridden is not called
	data     *bytes.Reader
	chunk    int
}

func (c *trickle) Read(p []byte) (int, error)       { return c.data.Read(p[:min(len(p), c.chunk)]) }
func (c *trickle) Write(p []byte) (int, error)      { return len(p), nil }
func (c *trickle) Close() error                     { return nil }
func (c *trickle) SetReadDeadline(time.Time) error  { return nil }
func (c *trickle) SetWriteDeadline(time.Time) error { return nil }

// FuzzIPCStream cuts a stream into pieces of every size and compares the
// frames with those of the messages in it: the pieces make no difference, and
// no message above the limit gets through.
func FuzzIPCStream(f *testing.F) {
	for _, seed := range []string{
		versionCall, versionCall + versionCall, versionCall + "\n" + `{"jsonrpc":"2.0","method":"m"}` + "\n" + versionCall,
		`[1,2]"a"null 17 {}`, "{} }", ` {"a":"` + string(bytes.Repeat([]byte("x"), 200)) + `"}`, "[", "\x00", "",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	const limit = 128
	cfg := ServerConfig{MaxBody: limit, MaxBatch: 3}.withDefaults()
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		want, whole := expectedFrames(stream, limit)
		c := newIPCConn(&trickle{data: bytes.NewReader(stream), chunk: int(chunk) + 1}, cfg, newRefusals(slog.New(slog.DiscardHandler)), newLargePlaces(limit/4, false))
		var got [][]byte
		var err error
		for err == nil {
			var frame []byte
			var leave func()
			if frame, leave, err = c.next(); len(frame) > 0 {
				got = append(got, frame)
				leave()
			}
		}
		if whole && errors.Is(err, errMessageTooLarge) {
			t.Errorf("%q: too large", stream)
		}
		if len(got) > len(want) || whole && len(got) != len(want) {
			t.Fatalf("%q: %d frames, want %d", stream, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("%q: frame %d is %q, want %q", stream, i, got[i], want[i])
			}
		}
	})
}

// expectedFrames returns the frames of the messages up to the first broken or
// too large one. They are whole when none comes near the limit.
func expectedFrames(stream []byte, limit int64) (frames [][]byte, whole bool) {
	whole = true
	dec := json.NewDecoder(bytes.NewReader(stream))
	for {
		start := dec.InputOffset()
		var message json.RawMessage
		err := dec.Decode(&message)
		if err != nil {
			return frames, whole && int64(len(stream))-start < limit
		}
		if dec.InputOffset()-start > limit {
			return frames, false
		}
		whole = whole && dec.InputOffset()-start < limit
		out := screen(message, 3)
		if len(out.frame) > 0 {
			frames = append(frames, out.frame)
		}
	}
}
