package proxy

import (
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
)

// maxWhy is where the text of a goodbye is cut off: with an ellipsis it may have
// 123 bytes (RFC 6455, 5.5).
const maxWhy = 120

// known reports whether the client is still who it was when it came: a certificate or
// a token expires, and an authority is replaced, while a connection stays open. If it
// is not the session ends.
func (s *session) known() bool {
	err := s.p.cfg.Callers.Still(s.opening, s.who, time.Now())
	if err == nil {
		return true
	}
	extapi.LogDenied(s.p.refused, s.opening, err)
	s.end(farewell(websocket.ClosePolicyViolation, clipTo(err.Error(), maxWhy)))
	return false
}

// expiry returns what tells that the proof of who the client is has ended, nil if
// that is not known before.
func (s *session) expiry() (ended <-chan time.Time, stop func() bool) {
	if s.who.Ends.IsZero() {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(s.who.Ends) + time.Millisecond) // of the wall clock, which counts
	return timer.C, timer.Stop
}
