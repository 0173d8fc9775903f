package extapi

import (
	"context"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// leavingAt signs for a caller who hangs up when a step is taken.
type leavingAt struct {
	*keySigner
	approving
	*testMaker
	step   string
	hangUp context.CancelFunc
}

func (l *leavingAt) at(step string) {
	if step == l.step {
		l.hangUp()
	}
}

func (l *leavingAt) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	defer l.at("decide")
	return l.approving.Decide(ctx, req)
}

func (l *leavingAt) Sign(ctx context.Context, account common.Address, digest common.Hash) (Signed, error) {
	defer l.at("use")
	return l.keySigner.Sign(ctx, account, digest)
}

func (l *leavingAt) NewAccount(ctx context.Context) (rules.Account, error) {
	defer l.at("use")
	return l.testMaker.NewAccount(ctx)
}

func (l *leavingAt) Settle(ctx context.Context, req *rules.Request, decision rules.Decision, result rules.Result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer l.at("settle")
	return l.approving.Settle(ctx, req, decision, result)
}

// TestHangUpSeparatesNothing: whenever the caller hangs up from the decision on, what was
// approved is signed, or the key is made; that is settled; and both entries are written.
func TestHangUpSeparatesNothing(t *testing.T) {
	for what, call := range map[string]func(context.Context, *Account) error{
		"signing": func(ctx context.Context, account *Account) error {
			_, err := account.SignTransaction(ctx, transactionArgs(t, dynamicFee), nil)
			return err
		},
		"making a key": func(ctx context.Context, account *Account) error {
			_, err := account.New(ctx)
			return err
		},
	} {
		for _, step := range []string{"decide", "decision", "use", "settle"} {
			ctx, hangUp := context.WithCancel(t.Context())
			party := &leavingAt{keySigner: newKeySigner(t), testMaker: new(testMaker), step: step, hangUp: hangUp}
			log := &entries{before: func(entry audit.Entry) { party.at(string(entry.Event)) }}
			account, _ := newTestAccount(t, func(cfg *Config) {
				cfg.Decider, cfg.Signer, cfg.KeyMaker, cfg.Auditor = party, party, party, log
			})
			if err := call(ctx, account); err != nil || ctx.Err() == nil {
				t.Errorf("%s, gone at %s: %v (context: %v)", what, step, err, ctx.Err())
			}
			var events []audit.Event
			for _, entry := range log.all {
				events = append(events, entry.Event)
			}
			if party.outcome != rules.Signed || !slices.Equal(events, []audit.Event{audit.EventDecision, audit.EventOutcome}) {
				t.Errorf("%s, gone at %s: settled as %v, recorded %v", what, step, party.outcome, events)
			}
		}
	}
}
