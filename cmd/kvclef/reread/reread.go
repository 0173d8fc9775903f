// Package reread keeps secrets that are read from files, and reads them again when the
// files may have changed: a secret is replaced without a restart.
package reread

import (
	"crypto/subtle"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// interval is how long a file is taken for unchanged. Whoever replaces a secret waits for
// it; a shorter one would read files, which may be on a network, all the time.
const interval = 30 * time.Second

// Config says what is kept.
type Config[T any] struct {
	// Read reads the secret as it stands now. Its errors show nothing of it.
	Read func() (T, error)

	// Same compares two of them, in a time that does not depend on what they are.
	Same func(a, b T) bool

	// Logger is told when it has changed, or can't be read. Default: nobody.
	Logger *slog.Logger

	// Clock is for tests. Default: time.Now.
	Clock func() time.Time
}

// Secret is a secret of its time. It is looked at when it is wanted, so that nothing runs
// when nobody wants it. It can be used by several goroutines.
type Secret[T any] struct {
	cfg   Config[T]
	inUse atomic.Pointer[T] // which no verb of package fmt follows

	looked atomic.Pointer[time.Time]

	mu     sync.Mutex // of the one who looks
	failed string     // the error that was logged last
}

// New reads a secret, which must be good.
func New[T any](cfg Config[T]) (*Secret[T], error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	first, err := cfg.Read()
	if err != nil {
		return nil, err
	}
	s := &Secret[T]{cfg: cfg}
	begun := cfg.Clock()
	s.looked.Store(&begun)
	s.inUse.Store(&first)
	return s, nil
}

// Value returns the secret in use. Of those who want it when it is time to look, one does.
// Nobody waits for the one, unless nobody has looked for so long that the secret may have
// been replaced long ago.
func (s *Secret[T]) Value() T {
	switch unseen := s.unseen(); {
	case unseen >= 2*interval:
		s.mu.Lock()
	case unseen < interval || !s.mu.TryLock():
		return *s.inUse.Load()
	}
	defer s.mu.Unlock()
	if now := s.cfg.Clock(); s.unseen() >= interval { // another may have looked meanwhile
		s.look()
		s.looked.Store(&now)
	}
	return *s.inUse.Load()
}

// unseen is for how long nobody has looked.
func (s *Secret[T]) unseen() time.Duration { return s.cfg.Clock().Sub(*s.looked.Load()) }

// look replaces the secret if it has changed. One that can't be read, or is none yet,
// leaves it as it is.
func (s *Secret[T]) look() {
	next, err := s.cfg.Read()
	if err != nil {
		if text := err.Error(); text != s.failed {
			s.failed = text
			s.cfg.Logger.Warn("Secret not read again; the one known stays in use", "error", err)
		}
		return
	}
	s.failed = ""
	if !s.cfg.Same(next, *s.inUse.Load()) {
		s.inUse.Store(&next)
		s.cfg.Logger.Info("Secret read again: the one before is not used any more")
	}
}

// SameText compares two secrets that are texts.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
