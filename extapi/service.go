// Package extapi speaks Clef's external API (version 6.1.0) on the wire: the
// account_ methods over IPC and HTTP.
//
// A request takes one way: listener → decode → decide → sign → settle →
// encode. No step calls back to an earlier one, and the only place where a
// signature can leave is [Service.sign].
//
// The package never imports a backend and holds no keys. It never signs what
// it could not decode completely, and never signs anything but the digest that
// the decider judged.
package extapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// Decider judges requests. A decision is durable, with what it holds of a
// limit, when Decide returns it. Settle follows every approval exactly once;
// its error withholds the signature.
type Decider interface {
	Decide(ctx context.Context, req *rules.Request) (rules.Decision, error)
	Settle(ctx context.Context, req *rules.Request, decision rules.Decision, result rules.Result) error
}

// Auditor keeps the record. An entry is durable when Append returns nil.
type Auditor interface {
	Append(ctx context.Context, entry audit.Entry) error
}

// Signer holds accounts and signs digests with their keys.
type Signer interface {
	// Accounts answers from memory.
	Accounts() []rules.Account

	// Find returns the account of an address. It may look for a new key, but
	// rarely; it is false for an address that no vault holds.
	Find(ctx context.Context, address common.Address) (rules.Account, bool)

	// Sign returns a verified low-S signature of digest. An error that has a method NotSigned() bool, returning true, is certain that no
	// signature was made. An error that has a method Public() string is fit for
	// the caller in those words.
	Sign(ctx context.Context, address common.Address, digest common.Hash) (Signed, error)
}

// Signed is a signature and where it was made.
type Signed struct {
	Signature           [65]byte // r‖s‖yparity
	Vault, Key, Version string   // the key that signed
	RequestID           string   // the vault's id of the request, "" if it has none
}

// KeyMaker makes a key for account_new.
type KeyMaker interface {
	NewAccount(ctx context.Context) (rules.Account, error)
}

// settleTimeout bounds the recording of an outcome.
const settleTimeout = 5 * time.Second

// Service takes decoded requests to a signature.
type Service struct {
	decider Decider
	signer  Signer
	timeout time.Duration
	log     *slog.Logger
}

// NewService returns a service. The timeout bounds the work after a decision,
// which goes on when the caller hangs up.
func NewService(decider Decider, signer Signer, timeout time.Duration, log *slog.Logger) *Service {
	return &Service{decider: decider, signer: signer, timeout: timeout, log: log}
}

// sign is the path of every signature: decide, sign, verify, settle. The
// account is looked up first so that rules see its vault, but its absence is
// told only after an approval, so that callers can't enumerate accounts.
func (s *Service) sign(ctx context.Context, req *rules.Request) ([65]byte, error) {
	// What is judged is what is signed, whatever a decider does to the request.
	address, digest := req.Account.Address, req.Digest
	account, known := s.signer.Find(ctx, address)
	if known = known && account.Address == address; known {
		req.Account = account
	}
	decision, err := s.decide(ctx, req)
	if err != nil {
		return [65]byte{}, err
	}

	// From here on a hang-up changes nothing: what was approved is settled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()

	if !known {
		return [65]byte{}, errors.Join(errUnknownAccount, s.settle(ctx, req, decision, rules.NotSigned))
	}
	signature, err := s.use(ctx, address, digest)
	if err != nil {
		return [65]byte{}, errors.Join(err, s.settle(ctx, req, decision, outcomeOf(err)))
	}
	if err := s.settle(ctx, req, decision, rules.Signed); err != nil {
		return [65]byte{}, err
	}
	return signature, nil
}

// use signs with an account's key, and checks that the signature is its own. A
// signer that crashes may have signed, so that the outcome is unknown.
func (s *Service) use(ctx context.Context, address common.Address, digest common.Hash) (signature [65]byte, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			s.log.ErrorContext(ctx, "Signer crashed", "account", address, "panic", crash, "stack", string(debug.Stack()))
			signature, err = [65]byte{}, errInternal
		}
	}()
	signature, err = s.signer.Sign(ctx, address, digest)
	if err != nil {
		return [65]byte{}, err
	}
	key, err := crypto.SigToPub(digest[:], signature[:])
	if err != nil {
		return [65]byte{}, fmt.Errorf("the signature is of nobody: %w", err)
	}
	if signer := crypto.PubkeyToAddress(*key); signer != address {
		return [65]byte{}, fmt.Errorf("the signature is of %v, not of %v", signer, address)
	}
	return signature, nil
}

// decide asks the decider. Anything but an approval without an error refuses.
func (s *Service) decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	decision, err := s.decider.Decide(ctx, req)
	log := s.log.With("request_id", req.ID, "method", req.Method, "kind", req.Kind.String(), "account", req.Account.Address,
		"digest", req.Digest, "transport", req.Caller.Transport, "rule", decision.Rule)
	switch {
	case err != nil:
		log.ErrorContext(ctx, "Request refused: no decision", "error", err)
		return decision, errDenied
	case decision.Verdict != rules.Approve:
		log.WarnContext(ctx, "Request refused", "verdict", decision.Verdict.String(), "reason", decision.Reason)
		return decision, deniedBy(decision)
	default:
		log.InfoContext(ctx, "Request approved")
		return decision, nil
	}
}

// settle tells the decider what became of an approved request.
// It has time of its own: signing may have used up the request's.
func (s *Service) settle(ctx context.Context, req *rules.Request, decision rules.Decision, outcome rules.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	log := s.log.With("request_id", req.ID, "outcome", outcome.String())
	if err := s.decider.Settle(ctx, req, decision, outcome); err != nil {
		log.ErrorContext(ctx, "Outcome not recorded", "error", err)
		return fmt.Errorf("recording the outcome: %w", err)
	}
	log.InfoContext(ctx, "Request settled")
	return nil
}

// outcomeOf says what is known of a signature after the signer failed.
func outcomeOf(err error) rules.Outcome {
	var sure interface{ NotSigned() bool }
	if errors.As(err, &sure) && sure.NotSigned() {
		return rules.NotSigned
	}
	return rules.Unknown
}
