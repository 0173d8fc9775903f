package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// Config describes an outbox. The zero value of what has a default is the
// default.
type Config struct {
	Records  rules.Records
	Shared   rules.Shared // of the same store, where other processes send from it too; nil: none do
	Signer   Signer
	Node     Node
	ChainIDs []*big.Int // the node's chain must be one of them

	// Holds reports whether an account is one to sign with.
	Holds func(ctx context.Context, account common.Address) bool

	// Scope is where idempotency keys are unique: the name of the service, of
	// letters, digits, '-', '_' and '.'. Default "default". Callers that
	// no certificate names share its keys.
	Scope string

	// Place is what comes before the keys of the records in the whole store, for the audit
	// log; "" where they are all of it.
	Place string

	GasMargin float64       // estimates are multiplied by it, 1 to 10; default 1.2
	FeeCap    *big.Int      // the most that the fees of a transaction may be, wei; nil: no bound
	Market    time.Duration // how long the latest block and fees are good for; default 1 s
	Timeout   time.Duration // of a call to the node; default 30 s

	Interval      time.Duration // between looks at the chain; default 2 s
	Rebroadcast   time.Duration // before an unmined transaction is looked for, doubling up to 32 times that; default 15 s
	Confirmations uint64        // blocks after which a mined transaction is final; default 12
	Retain        time.Duration // how long finished transactions and idempotency keys are kept; default 7 days

	// Patience is how long another process may be at a request with an idempotency key,
	// before who asks again is told that it was not finished; default 1 minute. It is a
	// matter of time alone: what was ended so is not sent.
	Patience time.Duration

	MaxFinished int // finished transactions that are kept, the oldest go first; default 300,000
	MaxInFlight int // transactions under way at once; default and most 100,000
	MaxQueue    int // requests that wait for the same account; default 1,024

	Clock  func() time.Time // default time.Now
	Logger *slog.Logger
}

// complete checks a configuration and fills in its defaults.
func (c *Config) complete() error {
	switch {
	case c.Records == nil || c.Signer == nil || c.Node == nil || c.Holds == nil || c.Logger == nil:
		return errors.New("an outbox needs records, a signer, a node, its accounts and a logger")
	case len(c.ChainIDs) == 0:
		return errors.New("no chain id is configured: name at least one")
	}
	for _, id := range c.ChainIDs {
		if id == nil || id.Sign() <= 0 || id.BitLen() > 64 {
			return fmt.Errorf("chain id %v is out of range", id)
		}
	}
	fill(&c.Scope, "default")
	fill(&c.GasMargin, 1.2)
	fill(&c.Market, time.Second)
	fill(&c.Timeout, 30*time.Second)
	fill(&c.Interval, 2*time.Second)
	fill(&c.Rebroadcast, 15*time.Second)
	fill(&c.Confirmations, 12)
	fill(&c.Retain, 7*24*time.Hour)
	fill(&c.Patience, time.Minute)
	fill(&c.MaxFinished, maxFinished)
	fill(&c.MaxInFlight, maxInFlight)
	fill(&c.MaxQueue, 1024)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c.check()
}

// check refuses values with which the outbox would not work.
func (c *Config) check() error {
	if !validScope(c.Scope) {
		return fmt.Errorf("scope %q: want 1 to 64 letters, digits, '-', '_' and '.'", c.Scope)
	}
	if !(c.GasMargin >= 1 && c.GasMargin <= 10) { // NaN too
		return fmt.Errorf("gas margin %v: want 1 to 10", c.GasMargin)
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > maxInFlight {
		return fmt.Errorf("%d transactions in flight: want 1 to %d", c.MaxInFlight, maxInFlight)
	}
	if c.MaxFinished < 1 {
		return fmt.Errorf("%d finished transactions: want at least 1", c.MaxFinished)
	}
	if c.MaxQueue < 1 {
		return fmt.Errorf("a queue of %d: want at least 1", c.MaxQueue)
	}
	for name, d := range map[string]time.Duration{
		"market": c.Market, "timeout": c.Timeout, "interval": c.Interval, "rebroadcast": c.Rebroadcast, "retain": c.Retain, "patience": c.Patience,
	} {
		if d <= 0 {
			return fmt.Errorf("%s is %v: want more than 0", name, d)
		}
	}
	return nil
}

// maxInFlight bounds the transactions under way, each of which is kept in memory
// without its bytes.
const maxInFlight = 100_000

// fill gives a member that has none its default.
func fill[T comparable](member *T, value T) {
	var none T
	if *member == none {
		*member = value
	}
}

// validScope reports whether a scope can be part of a record's key.
func validScope(scope string) bool {
	if scope == "" || len(scope) > 64 {
		return false
	}
	for _, c := range []byte(scope) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
