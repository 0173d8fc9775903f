package identity

import (
	"crypto/subtle"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// secretInterval is how often it is looked whether a secret has changed: as often as
// for the files of TLS.
const secretInterval = 30 * time.Second

// secretKeeper has the secret of its time.
type secretKeeper struct {
	read  func() (*Secret, error) // nil: it does not change
	clock func() time.Time
	log   *slog.Logger
	inUse atomic.Pointer[Secret]

	mu     sync.Mutex
	looked time.Time
	failed string // the last error, which is logged once
}

func newSecretKeeper(cfg Config, clock func() time.Time) *secretKeeper {
	k := &secretKeeper{read: cfg.Reread, clock: clock, log: cfg.Logger, looked: clock()}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	k.inUse.Store(cfg.Secret)
	return k
}

// secret returns the one in use. Of those who ask when it is time to look, one does;
// nobody waits for the one.
func (k *secretKeeper) secret() *Secret {
	if k.read != nil && k.mu.TryLock() {
		defer k.mu.Unlock()
		if now := k.clock(); now.Sub(k.looked) >= secretInterval {
			k.look()
			k.looked = now
		}
	}
	return k.inUse.Load()
}

// look replaces the secret if it has changed. One that can't be read, or is none yet,
// leaves it as it is.
func (k *secretKeeper) look() {
	secret, err := k.read()
	switch {
	case err != nil:
		if text := err.Error(); text != k.failed {
			k.failed = text
			k.log.Warn("Secret of tokens not read again; the one known stays in use", "error", err)
		}
	case subtle.ConstantTimeCompare(secret.key(), k.inUse.Load().key()) == 1:
		k.failed = ""
	default:
		k.failed = ""
		k.inUse.Store(secret)
		k.log.Info("Secret of tokens read again: those signed with the one before count no more")
	}
}
