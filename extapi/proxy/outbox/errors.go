package outbox

import "errors"

var errNotYet = errors.New("not implemented")
