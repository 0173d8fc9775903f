package extapi

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"runtime"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/callers"
	"github.com/kvclef/kvclef/rules"
)

// Version is the version of Clef's external API that is spoken.
const Version = "6.1.0"

// DefaultSignTimeout bounds the work after a decision.
const DefaultSignTimeout = 25 * time.Second

// Config is what an Account works with.
type Config struct {
	Decider  Decider
	Signer   Signer
	Auditor  Auditor
	KeyMaker KeyMaker // nil: account_new is off

	// ChainIDs are the chains signed for. A request for another is refused.
	ChainIDs []*big.Int

	// Advanced lets requests pass whose validation warns, as Clef's --advanced.
	Advanced bool

	// PolicyDecides says that the decider knows calls better than validation does, as
	// a policy. Warnings then refuse no transaction of another namespace than Clef's
	// account: there nobody expects that methods are known by a table.
	PolicyDecides bool

	// Signatures returns the signatures of methods with a selector that what decides names
	// itself, as a policy does; nil: none. Call data without a caller's selector is decoded
	// by them, after those of FourByteFile and before go-ethereum's. It is called for each
	// such request, and its result is not changed.
	Signatures func(selector [4]byte) []string

	// FourByteFile names a JSON file of further method selectors, read once.
	// It may be missing if it is DefaultFourByteFile; empty: none.
	FourByteFile string

	// Desk keeps callers within their bounds, for all accounts that share it. Default:
	// one of this account, without bounds but of work.
	Desk *callers.Desk

	MaxWait     time.Duration // how long a request may wait for its turn at a vault; 0: DefaultMaxWait
	SignTimeout time.Duration // bounds the work after a decision; 0: DefaultSignTimeout
	Repeat      time.Duration // how long an equal request gets the same signature; 0: it is signed anew
	Excerpts    bool          // the audit log gets an excerpt of each request, and not the whole
	Logger      *slog.Logger  // nil: discard
	Observer    Observer      // nil: nobody is told of requests
}

// Account answers the JSON-RPC methods of the account namespace. Register it
// under that name on an rpc.Server. It is safe for concurrent use.
type Account struct {
	service   *Service
	signer    Signer
	maker     KeyMaker
	chains    chains
	validator *Validator
	advanced  bool
	lenient   bool          // with other namespaces than account
	sidecars  chan struct{} // a place for each sidecar that is worked on
	log       *slog.Logger
	observer  Observer // nil: nobody
	desk      *callers.Desk
	shed      *refusals
}

// NewAccount returns the receiver of the account methods. It reads the file of
// custom selectors; the error names what is wrong with the configuration.
func NewAccount(cfg Config) (*Account, error) {
	if cfg.Decider == nil || cfg.Signer == nil || cfg.Auditor == nil {
		return nil, errors.New("an account needs a decider, a signer and an auditor")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.SignTimeout <= 0 {
		cfg.SignTimeout = DefaultSignTimeout
	}
	chains, err := newChains(cfg.ChainIDs)
	if err != nil {
		return nil, err
	}
	validator, err := NewValidator(cfg.FourByteFile)
	if err != nil {
		return nil, err
	}
	validator.selectors.named = cfg.Signatures
	service := NewService(cfg.Decider, cfg.Signer, cfg.Auditor, cfg.SignTimeout, cfg.Repeat, cfg.Logger)
	service.excerpts = cfg.Excerpts
	if cfg.MaxWait > 0 {
		service.maxWait = cfg.MaxWait
	}
	if cfg.Desk == nil {
		cfg.Desk = callers.New(callers.Config{})
	}
	return &Account{
		service:   service,
		signer:    cfg.Signer,
		maker:     cfg.KeyMaker,
		chains:    chains,
		validator: validator,
		advanced:  cfg.Advanced,
		lenient:   cfg.Advanced || cfg.PolicyDecides,
		sidecars:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		log:       cfg.Logger,
		observer:  cfg.Observer,
		desk:      cfg.Desk,
		shed:      newRefusals(cfg.Logger),
	}, nil
}

// Version answers account_version. It is not put to rules.
func (a *Account) Version() string { return Version }

// List answers account_list: the addresses in lower case, never null. A
// decision may show fewer of them, never others.
func (a *Account) List(ctx context.Context) ([]common.Address, error) {
	return a.list(ctx, "account_list")
}

func (a *Account) list(ctx context.Context, method string) (addresses []common.Address, err error) {
	ctx, call := a.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	// From memory, and before the decision: a signer that crashes here leaves no
	// approval unsettled.
	accounts := a.signer.Accounts()
	keep, err := holdAnswer(ctx, listedBytes*len(accounts))
	if err != nil {
		return nil, err
	}
	defer func() { keep(listedBytes * len(addresses)) }()
	req := a.newRequest(ctx, rules.KindList, method, common.Address{})
	req.Accounts = slices.Clone(accounts)
	return a.service.list(ctx, req, accounts)
}

// New answers account_new: it makes a key in a vault and returns its address.
// Clef asks for a password at its console; here a decider judges.
func (a *Account) New(ctx context.Context) (address common.Address, err error) {
	ctx, call := a.begin(ctx, "account_new")
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return common.Address{}, err
	}
	if a.maker == nil {
		return common.Address{}, refuse("account creation is off: name the vault for new keys in the signer's configuration")
	}
	req := a.newRequest(ctx, rules.KindNewAccount, "account_new", common.Address{})
	account, err := a.service.create(ctx, req, a.maker)
	return account.Address, err
}

// newRequest begins a request with what the transport knows of its caller.
func (a *Account) newRequest(ctx context.Context, kind rules.Kind, method string, address common.Address) *rules.Request {
	caller, principal := whoAsks(ctx)
	id := RequestID(ctx)
	if id == "" {
		id = nextID(ctx)
	}
	return &rules.Request{
		ID:        id,
		Kind:      kind,
		Method:    method,
		Account:   rules.Account{Address: address},
		Caller:    caller,
		Principal: principal,
	}
}
