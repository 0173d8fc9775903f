package keyvault

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend"
)

// Vault is a Key Vault or a Managed HSM. It implements backend.Vault.
type Vault struct {
	cfg       Config
	tune      tuning
	endpoint  endpoint
	costs     costs
	keys      []identifier // configured; empty: all
	logger    *slog.Logger
	transport *transports
	clients   *clients
	breaker   *breaker
	gate      *gate
	retries   *retryBudget

	held    atomic.Pointer[holdings]
	reading chan struct{} // holds one element: whoever takes it may replace held

	stop       context.CancelFunc
	background sync.WaitGroup
}

var _ backend.Vault = (*Vault)(nil)

// Open checks the configuration, connects, gets a token, and reads the vault's
// keys. It fails when the vault can't be reached or none of its keys can be
// read. A vault without a usable key is a warning in the log.
func Open(ctx context.Context, cfg Config) (*Vault, error) {
	return open(ctx, cfg, defaultTuning())
}

func open(ctx context.Context, cfg Config, tune tuning) (*Vault, error) {
	v, err := newVault(cfg, tune)
	if err != nil {
		return nil, err
	}
	// The listing, or for configured keys a listing that may be refused, makes
	// the token and the connection before many requests at once would.
	if len(v.keys) > 0 {
		v.clients.warm(ctx, v.clients.current.Load())
	}
	more, err := v.read(ctx, true)
	if err != nil {
		v.Close()
		return nil, err // it names the vault
	}
	if more {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		v.stop = cancel
		v.logger.Info("reading the older versions of the keys in the background")
		v.background.Go(func() {
			if _, err := v.read(ctx, false); err != nil {
				v.logger.Warn("reading the older versions of the keys", "error", err)
			}
		})
	}
	return v, nil
}

// newVault makes a vault that has not been asked anything yet.
func newVault(cfg Config, tune tuning) (*Vault, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	at, err := parseEndpoint(cfg.URL, cfg.CustomEndpoint, cfg.Authority)
	if err != nil {
		return nil, err
	}
	if cfg.Name == "" {
		cfg.Name = at.label
	}
	v := &Vault{cfg: cfg, tune: tune, endpoint: at, logger: cfg.Logger.With("vault", cfg.Name)}
	for _, raw := range cfg.Keys {
		id, err := parseKey(raw)
		if err != nil {
			return nil, fmt.Errorf("vault %s: %w", cfg.Name, err)
		}
		v.keys = append(v.keys, id)
	}
	if v.transport, err = newTransports(cfg); err != nil {
		return nil, fmt.Errorf("vault %s: %w", cfg.Name, err)
	}
	v.costs = v.priceList()
	v.gate = newGate(v.costs.units, max(v.costs.read, v.costs.sign)*v.costs.hardware, cfg.MaxInFlight, cfg.MaxWaiting, tune.throttle)
	v.breaker = &breaker{count: tune.outageCount, span: tune.outageSpan, openFor: tune.openFor}
	v.retries = &retryBudget{tokens: float64(cfg.MaxInFlight), most: float64(cfg.MaxInFlight)}
	v.held.Store(&holdings{})
	v.reading = make(chan struct{}, 1)
	v.reading <- struct{}{}
	v.clients = &clients{
		build: func() (*azkeys.Client, error) { return newClient(at, cfg, tune, v.transport) },
		warm:  v.warm, every: tune.renewEvery, logger: v.logger, turn: make(chan struct{}, 1),
	}
	v.clients.turn <- struct{}{}
	client, err := v.clients.build()
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", cfg.Name, err)
	}
	v.clients.current.Store(client)
	return v, nil
}

// warm gets a client its token and connection with one cheap request, whose
// own outcome does not matter: a refusal comes after authentication.
func (v *Vault) warm(ctx context.Context, client *azkeys.Client) {
	_, err := try(ctx, v.cfg.Timeout, client, func(ctx context.Context, client *azkeys.Client) (azkeys.ListKeyPropertiesResponse, error) {
		return client.NewListKeyPropertiesPager(nil).NextPage(ctx)
	})
	if err != nil {
		v.logger.Debug("warming up", "error", oneLine(err.Error()))
	}
}

// Name returns the vault's label.
func (v *Vault) Name() string { return v.cfg.Name }

// Accounts returns the accounts in the order of key name, age and version. It
// sends no request.
func (v *Vault) Accounts() []backend.Account { return v.held.Load().accounts() }

// Unread returns the keys and versions that could not be read: which accounts they
// are is not known, or only what they were before.
func (v *Vault) Unread() []Skipped {
	var unread []Skipped
	for _, s := range v.held.Load().skipped {
		if s.Kind == SkipError || s.Kind == SkipChanged {
			unread = append(unread, *s)
		}
	}
	return unread
}

// Generation changes whenever Accounts does.
func (v *Vault) Generation() uint64 { return v.held.Load().generation }

// Answers reports whether the vault answers, as far as the requests before tell: it
// is false while they are held back since the vault is out of reach. It sends none.
func (v *Vault) Answers() bool { return !v.breaker.isOpen() }

// Refresh reads the vault's keys again: new versions become accounts, those
// that are gone, disabled or expired stop being accounts. Known versions cost
// no request of their own unless their attributes have changed.
func (v *Vault) Refresh(ctx context.Context) error {
	_, err := v.read(ctx, false)
	return err
}

// Close ends what the vault does in the background and closes its idle
// connections. No other method may be called after it.
func (v *Vault) Close() {
	if v.stop != nil {
		v.stop()
	}
	v.background.Wait()
	v.transport.base.CloseIdleConnections()
}
