// Package extapi speaks Clef's external API (version 6.1.0) on the wire: the
// account_ methods over IPC and HTTP.
//
// A request takes one way: listener → decode → decide → record → sign → settle
// → record → encode. No step calls back to an earlier one, and the only place
// where a signature can leave is [Service.sign].
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

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// Decider judges requests. What a decision holds of a limit is durable when Decide
// returns it, but for its Reservation, which is so with the record of the decision: it
// is written before anything is signed. Settle follows every approval exactly once;
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

	// Sign returns a verified low-S signature of digest. An error that has a
	// method NotSigned() bool, returning true, is certain that no signature was
	// made; one that has a method Public() string is fit for the caller in those
	// words; one that has a method RequestID() string names the vault's request.
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

// recordTimeout bounds the settling and recording of an outcome.
const recordTimeout = 5 * time.Second

// Service takes decoded requests to a signature.
type Service struct {
	decider Decider
	signer  Signer
	auditor Auditor
	timeout time.Duration
	given   *given
	maxWait time.Duration // for a turn at the vault
	log     *slog.Logger

	excerpts bool // the audit log gets no whole requests
}

// NewService returns a service. The timeout bounds the work after a decision,
// which goes on when the caller hangs up; an equal request within the time of
// repeat gets the same signature.
func NewService(decider Decider, signer Signer, auditor Auditor, timeout, repeat time.Duration, log *slog.Logger) *Service {
	return &Service{decider: decider, signer: signer, auditor: auditor, timeout: timeout, given: newGiven(repeat, time.Now), maxWait: DefaultMaxWait, log: log}
}

// sign is the path of every signature: wait for a turn, decide, record, sign and
// verify or repeat, settle, record. The account is looked up first so that rules see its
// vault, but its absence is told only after an approval, so that callers can't
// enumerate accounts.
func (s *Service) sign(ctx context.Context, req *rules.Request) ([65]byte, error) {
	// What is judged is what is signed, whatever a decider does to the request.
	address, digest := req.Account.Address, req.Digest
	account, known := s.signer.Find(ctx, address)
	if known = known && account.Address == address; known {
		req.Account = account
	}
	ctx, leave, err := s.queue(ctx, address, digest, known)
	if err != nil {
		return [65]byte{}, err
	}
	defer leave()
	record := newRecord(req)
	record.idempotency(ctx)
	if !s.excerpts {
		record.whole(req)
	}
	decision, err := s.decide(ctx, req, record)
	if err != nil {
		return [65]byte{}, err
	}

	// From here on a hang-up changes nothing: what was approved is settled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()

	equal, err := new(turn), errUnknownAccount
	if known {
		equal, err = s.given.enter(ctx, address, digest)
	}
	defer equal.leave()
	signed := equal.first.signed
	switch {
	case err != nil || equal.again:
	case decision.Repeats:
		err = waitedError{errNotRemembered}
	default:
		signed, err = s.use(ctx, address, digest)
	}
	result := rules.Result{Outcome: outcomeOf(err), Signature: signed.Signature}
	err = s.conclude(ctx, req, decision, result, err, func(err error) audit.Entry {
		return record.signed(result, signed, equal, err)
	})
	equal.conclude(signed, result.Outcome, req.ID, err)
	if err != nil {
		return [65]byte{}, err
	}
	return signed.Signature, nil
}

// decide asks the decider and records its answer. Anything but an approval
// that is on record refuses.
func (s *Service) decide(ctx context.Context, req *rules.Request, record *record) (rules.Decision, error) {
	deciding, done := patient(ctx)
	deciding, decided := step(deciding, StepDecide)
	decision, err := s.judge(deciding, req)
	decided(err)
	done()
	judged(ctx, req, decision)
	refusal := s.refusal(ctx, req, decision, err)
	recorded := s.record(ctx, record.decision(decision, err))
	switch {
	case refusal != nil:
		return decision, judgedError{errors.Join(refusal, recorded)}
	case recorded != nil:
		// Nothing was signed, and nobody may think that anything was.
		return decision, judgedError{errors.Join(recorded, s.settle(ctx, req, decision, rules.Result{Outcome: rules.NotSigned}))}
	default:
		return decision, nil
	}
}

// judge asks the decider. One that crashes has decided nothing.
func (s *Service) judge(ctx context.Context, req *rules.Request) (decision rules.Decision, err error) {
	defer s.crashed(ctx, "decider", req.ID, func() { decision, err = rules.Decision{}, errInternal })
	return s.decider.Decide(ctx, req)
}

// crashed is deferred: a panic is logged and becomes what refused makes of it, so
// that what must follow does.
func (s *Service) crashed(ctx context.Context, part, request string, refused func()) {
	if crash := recover(); crash != nil {
		s.log.ErrorContext(ctx, "Crashed on the way to a signature: none is released", "part", part, "request_id", request, "panic", crash, "stack", string(debug.Stack()))
		refused()
	}
}

// use signs with an account's key, and checks that the signature is its own. A
// signer that crashes may have signed, so that the outcome is unknown.
func (s *Service) use(ctx context.Context, address common.Address, digest common.Hash) (signed Signed, err error) {
	ctx, done := step(ctx, StepSign)
	defer func() { done(err) }()
	defer func() {
		if crash := recover(); crash != nil {
			s.log.ErrorContext(ctx, "Signer crashed", "account", address, "panic", crash, "stack", string(debug.Stack()))
			signed, err = Signed{}, errInternal
		}
	}()
	signed, err = s.signer.Sign(ctx, address, digest)
	if err != nil {
		return Signed{}, err
	}
	key, err := crypto.Ecrecover(digest[:], signed.Signature[:])
	if err != nil {
		return Signed{}, fmt.Errorf("the signature is of nobody: %w", err)
	}
	if signer := addressOf(key); signer != address {
		return Signed{}, fmt.Errorf("the signature is of %v, not of %v", signer, address)
	}
	return signed, nil
}

// addressOf returns the address of an uncompressed public key: 0x04‖X‖Y.
func addressOf(key []byte) common.Address {
	return common.BytesToAddress(crypto.Keccak256(key[1:])[12:])
}

// conclude settles an approval with what became of it, and records that. Its
// error, which includes the one it is given, means that nothing is released.
func (s *Service) conclude(ctx context.Context, req *rules.Request, decision rules.Decision, result rules.Result, err error, entry func(error) audit.Entry) error {
	err = errors.Join(err, s.settle(ctx, req, decision, result))
	err = errors.Join(err, s.record(ctx, entry(err)))
	switch {
	case err == nil:
		return nil
	case result.Outcome == rules.NotSigned:
		return judgedError{err}
	default:
		return judgedError{unclearError{err}}
	}
}

// settle tells the decider what became of an approved request.
// It has time of its own: signing may have used up the request's.
func (s *Service) settle(ctx context.Context, req *rules.Request, decision rules.Decision, result rules.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	ctx, done := step(ctx, StepSettle)
	err := func() (err error) {
		defer s.crashed(ctx, "decider", req.ID, func() { err = errInternal })
		return s.decider.Settle(ctx, req, decision, result)
	}()
	done(err)
	outcome := result.Outcome.String()
	if req.Kind == rules.KindList { // which signs nothing, as it should be
		outcome = audit.OutcomeListed
	}
	about := []any{"request_id", req.ID, "outcome", outcome}
	if err != nil {
		s.log.ErrorContext(ctx, "Approval not settled", append(about, "error", err)...)
		return fmt.Errorf("settling the approval: %w", err)
	}
	s.log.InfoContext(ctx, "Request settled", about...)
	return nil
}

// record appends to the audit log, whether or not the caller is still there. A
// log that crashes has recorded nothing.
func (s *Service) record(ctx context.Context, entry audit.Entry) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	defer s.crashed(ctx, "audit log", entry.Request, func() { err = errUnrecorded })
	ctx, done := step(ctx, StepRecord)
	err = s.auditor.Append(ctx, entry)
	done(err)
	if err != nil {
		s.log.ErrorContext(ctx, "Audit log not written: nothing is signed", "request_id", entry.Request, "event", string(entry.Event), "error", err)
		return errUnrecorded
	}
	return nil
}

// refusal returns the error of a decision that does not approve, and logs the
// decision.
func (s *Service) refusal(ctx context.Context, req *rules.Request, decision rules.Decision, err error) error {
	about := []any{"request_id", req.ID, "method", req.Method, "kind", req.Kind.String()}
	if req.Kind.Signs() {
		about = append(about, "account", req.Account.Address, "digest", req.Digest)
	}
	about = append(about, "transport", req.Caller.Transport, "rule", decision.Rule)
	var busy interface{ RetryAfter() time.Duration }
	switch {
	case errors.As(err, &busy) && busy.RetryAfter() > 0:
		s.log.WarnContext(ctx, "Request refused: busy", append(about, "error", err)...)
		return err
	case err != nil:
		s.log.ErrorContext(ctx, "Request refused: no decision", append(about, "error", err)...)
		if errors.Is(err, rules.ErrNoState) {
			return statelessError{req.ID}
		}
		return errDenied
	case decision.Verdict != rules.Approve:
		s.log.WarnContext(ctx, "Request refused", append(about, "verdict", decision.Verdict.String(), "reason", decision.Reason)...)
		return deniedBy(req, decision)
	default:
		s.log.InfoContext(ctx, "Request approved", about...)
		return nil
	}
}

// outcomeOf says what is known of a signature after the signer's answer.
func outcomeOf(err error) rules.Outcome {
	var sure interface{ NotSigned() bool }
	switch {
	case err == nil:
		return rules.Signed
	case errors.Is(err, errUnknownAccount), errors.As(err, &sure) && sure.NotSigned():
		return rules.NotSigned
	default:
		return rules.Unknown
	}
}
