package extapi

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// tlsInterval is how long the files are taken for unchanged.
const tlsInterval = 2 * time.Second

// TLSKeeper is the TLS of an HTTP listener, see [Intake], and tells who calls there.
// It holds what the files held, and replaces it when they change. It looks at them
// when a caller connects or asks, so that nothing runs when nobody does.
type TLSKeeper struct {
	cfg      TLSConfig
	interval time.Duration
	log      *slog.Logger
	inUse    atomic.Pointer[tlsMaterial]

	mu     sync.Mutex // of the one who looks
	looked time.Time
	failed string // the failure that was logged last
}

// NewTLSKeeper reads the files, which must be good. The logger is told when they are
// read again, and when they can't be.
func NewTLSKeeper(cfg TLSConfig, log *slog.Logger) (*TLSKeeper, error) {
	if !cfg.on() {
		return nil, ErrNoTLSFiles
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	k := &TLSKeeper{cfg: cfg, interval: cfg.Interval, log: log, looked: time.Now()}
	if k.interval == 0 {
		k.interval = tlsInterval
	}
	files, err := cfg.read()
	if err != nil {
		return nil, err
	}
	material, err := cfg.material(files, time.Now())
	if err != nil {
		return nil, err
	}
	k.inUse.Store(material)
	return k, nil
}

// NamesCallers reports whether callers show certificates, which say who they are.
func (k *TLSKeeper) NamesCallers() bool { return k.cfg.ClientCAFile != "" }

// config returns what a listener takes.
func (k *TLSKeeper) config() *tls.Config {
	return &tls.Config{MinVersion: k.cfg.oldest(), GetConfigForClient: k.handshake}
}

// handshake returns the material of its time for each handshake.
func (k *TLSKeeper) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	material := k.material()
	if peer := peerOf(hello.Context()); peer != nil {
		peer.verified.Store(&verification{by: material}) // or the handshake fails
	}
	return material.config, nil
}

// material returns what is in use. Of those who ask when it is time to look at
// the files, one does; nobody waits for the one.
func (k *TLSKeeper) material() *tlsMaterial {
	if k.mu.TryLock() {
		defer k.mu.Unlock()
		if time.Since(k.looked) >= k.interval {
			k.look()
			k.looked = time.Now()
		}
	}
	return k.inUse.Load()
}

// look replaces the material if the files have changed. Files that can't be used,
// such as a certificate whose key is not written yet, leave it as it is.
func (k *TLSKeeper) look() {
	files, err := k.cfg.read()
	if err == nil && files.sums() == k.inUse.Load().sums {
		k.failed = ""
		return
	}
	var material *tlsMaterial
	if err == nil {
		material, err = k.cfg.material(files, time.Now())
	}
	if err != nil {
		if text := err.Error(); text != k.failed {
			k.failed = text
			k.log.Warn("TLS files not read again; those known stay in use", "error", err)
		}
		return
	}
	k.failed = ""
	k.inUse.Store(material)
	k.log.Info("TLS files read again", "expires", material.expiry())
}

// expiry returns when the server's certificate ends.
func (m *tlsMaterial) expiry() time.Time { return m.config.Certificates[0].Leaf.NotAfter.UTC() }
