package proxy

import (
	"errors"

	"github.com/gorilla/websocket"
)

// maxWhy is where the text of a goodbye is cut off: with an ellipsis it may have
// 123 bytes (RFC 6455, 5.5).
const maxWhy = 120

var errOtherCaller = errors.New("the caller is not the one who opened the connection")

// known reports whether the client is still who it was when it came: a certificate
// expires, and an authority is replaced, while a connection stays open. If it is not
// the session ends.
func (s *session) known() bool {
	name, err := s.p.cfg.Principal(s.opening)
	if err == nil && name != s.principal {
		err = errOtherCaller
	}
	if err == nil {
		return true
	}
	s.p.unknown(s.opening, err)
	s.end(goodbye{websocket.ClosePolicyViolation, clipTo(err.Error(), maxWhy), errHungUp})
	return false
}
