package extapi

import (
	"log/slog"
	"sync"

	"golang.org/x/time/rate"
)

// What listeners refuse, as the log names it.
const (
	refusedConnection   = "connection"
	refusedHandshake    = "TLS handshake"
	refusedCertificate  = "client certificate"
	refusedToken        = "bearer token"
	refusedHost         = "host: not in vhosts"
	refusedOrigin       = "origin: not in the allowed origins"
	refusedNotification = "notification: a call without id is never run"
	refusedMessage      = "message"
)

// refusals logs what listeners refuse, a few lines of each kind per second, so
// that a caller can't fill the disk. A line says how many were left out.
type refusals struct {
	log *slog.Logger

	mu    sync.Mutex
	kinds map[string]*refusal
}

type refusal struct {
	limit *rate.Limiter
	muted int
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, kinds: make(map[string]*refusal)}
}

// add logs one refusal, or counts it for the next line of its kind.
func (r *refusals) add(kind string, attrs ...any) {
	muted, ok := r.admit(kind)
	if !ok {
		return
	}
	attrs = append(attrs, slog.String("what", kind))
	if muted > 0 {
		attrs = append(attrs, slog.Int("muted", muted))
	}
	r.log.Warn("Refused by a listener", attrs...)
}

func (r *refusals) admit(kind string) (muted int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[kind]
	if k == nil {
		k = &refusal{limit: rate.NewLimiter(1, 5)}
		r.kinds[kind] = k
	}
	if !k.limit.Allow() {
		k.muted++
		return 0, false
	}
	muted, k.muted = k.muted, 0
	return muted, true
}
