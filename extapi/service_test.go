package extapi

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// scripted is a decider and a signer that do as they are told.
type scripted struct {
	decide  func(*rules.Request) (rules.Decision, error)
	sign    func(ctx context.Context, digest common.Hash) (Signed, error)
	audit   *entries // nil: one that works
	settle  error
	panics  bool // when it is told what became of an approval
	account common.Address

	settled []rules.Outcome
	expired bool // the context had ended when an outcome was to be recorded
}

func (s *scripted) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	return s.decide(req)
}

func (s *scripted) Settle(ctx context.Context, _ *rules.Request, _ rules.Decision, result rules.Result) error {
	s.settled = append(s.settled, result.Outcome)
	s.expired = s.expired || ctx.Err() != nil
	if s.panics {
		panic("boom")
	}
	return s.settle
}

func (s *scripted) Accounts() []rules.Account { return nil }

func (s *scripted) Find(context.Context, common.Address) (rules.Account, bool) {
	return rules.Account{Address: s.account}, s.account != common.Address{}
}

func (s *scripted) Sign(ctx context.Context, _ common.Address, digest common.Hash) (Signed, error) {
	return s.sign(ctx, digest)
}

type certain struct{ error }

func (certain) NotSigned() bool { return true }

type uncertain struct{ error }

func (uncertain) NotSigned() bool { return false }

// serviceCase is a way through the service and what must come of it.
type serviceCase struct {
	scripted
	settled []rules.Outcome // nil: nothing was approved
}

// What may come of an approval.
func once(outcome rules.Outcome) []rules.Outcome { return []rules.Outcome{outcome} }

func verdict(v rules.Verdict, err error) func(*rules.Request) (rules.Decision, error) {
	return func(*rules.Request) (rules.Decision, error) { return rules.Decision{Verdict: v}, err }
}

func signingWith(key *ecdsa.PrivateKey) func(context.Context, common.Hash) (Signed, error) {
	return func(_ context.Context, digest common.Hash) (Signed, error) { return signedBy(key, digest) }
}

func failingWith(err error) func(context.Context, common.Hash) (Signed, error) {
	return func(context.Context, common.Hash) (Signed, error) { return Signed{Signature: [65]byte{1}}, err }
}

// run asks for a signature of address. It is released only if one was made and
// its outcome recorded, and each approval is settled once.
func (test serviceCase) run(t *testing.T, address common.Address) {
	t.Helper()
	s := test.scripted
	if s.audit == nil {
		s.audit = new(entries)
	}
	service := NewService(&s, &s, s.audit, 500*time.Millisecond, time.Minute, slog.New(slog.DiscardHandler))
	digest := common.Hash{1, 2, 3}
	signature, err := service.sign(t.Context(), &rules.Request{
		Kind: rules.KindText, Account: rules.Account{Address: address}, Digest: digest,
	})
	released := slices.Equal(test.settled, once(rules.Signed)) && test.settle == nil && test.audit == nil
	switch {
	case released && err != nil:
		t.Fatalf("not released: %v", err)
	case released:
		if signer, err := crypto.SigToPub(digest[:], signature[:]); err != nil || crypto.PubkeyToAddress(*signer) != address {
			t.Error("the signature is not of the digest that was judged")
		}
	case err == nil || signature != [65]byte{}:
		t.Errorf("released %x, error %v", signature, err)
	}
	if !slices.Equal(s.settled, test.settled) {
		t.Errorf("settled %v, want %v", s.settled, test.settled)
	}
	if s.expired {
		t.Error("no time was left to record the outcome")
	}
}

// TestServiceReleasesNothingWithoutDecisionAndOutcome takes the path of a
// signature apart.
func TestServiceReleasesNothingWithoutDecisionAndOutcome(t *testing.T) {
	key, boom := newKey(t), errors.New("boom")
	address := crypto.PubkeyToAddress(key.PublicKey)
	approve, sign := verdict(rules.Approve, nil), signingWith(key)
	crash := func(context.Context, common.Hash) (Signed, error) { panic("boom") }
	hang := func(ctx context.Context, _ common.Hash) (Signed, error) {
		<-ctx.Done()
		return Signed{}, ctx.Err()
	}
	for name, test := range map[string]serviceCase{
		"approved":                  {scripted{decide: approve, sign: sign, account: address}, once(rules.Signed)},
		"decider fails":             {scripted{decide: verdict(rules.Approve, boom), sign: sign, account: address}, nil},
		"rejected":                  {scripted{decide: verdict(rules.Reject, nil), sign: sign, account: address}, nil},
		"no such verdict":           {scripted{decide: verdict(99, nil), sign: sign, account: address}, nil},
		"unknown account":           {scripted{decide: approve, sign: sign}, once(rules.NotSigned)},
		"another account found":     {scripted{decide: approve, sign: sign, account: common.Address{1}}, once(rules.NotSigned)},
		"signer fails":              {scripted{decide: approve, sign: failingWith(boom), account: address}, once(rules.Unknown)},
		"signer surely fails":       {scripted{decide: approve, sign: failingWith(certain{boom}), account: address}, once(rules.NotSigned)},
		"signer is not sure":        {scripted{decide: approve, sign: failingWith(uncertain{boom}), account: address}, once(rules.Unknown)},
		"signer crashes":            {scripted{decide: approve, sign: crash, account: address}, once(rules.Unknown)},
		"signer takes all the time": {scripted{decide: approve, sign: hang, account: address}, once(rules.Unknown)},
		"another key signs":         {scripted{decide: approve, sign: signingWith(newKey(t)), account: address}, once(rules.Unknown)},
		"no signature at all":       {scripted{decide: approve, sign: failingWith(nil), account: address}, once(rules.Unknown)},
	} {
		t.Run(name, func(t *testing.T) { test.run(t, address) })
	}
}

// TestNothingIsSignedOrReleasedWithoutRecord: a decision that can't be recorded
// is not signed, and an outcome that can't be recorded is not released.
func TestNothingIsSignedOrReleasedWithoutRecord(t *testing.T) {
	key := newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	never := func(context.Context, common.Hash) (Signed, error) {
		t.Error("signed without a record of the decision")
		return Signed{}, errors.New("never")
	}
	failing := func(event audit.Event) *entries { return &entries{failing: map[audit.Event]bool{event: true}} }
	serviceCase{
		scripted{decide: verdict(rules.Approve, nil), sign: never, account: address, audit: failing(audit.EventDecision)},
		once(rules.NotSigned),
	}.run(t, address)
	serviceCase{
		scripted{decide: verdict(rules.Approve, nil), sign: signingWith(key), account: address, audit: failing(audit.EventOutcome)},
		once(rules.Signed),
	}.run(t, address)
	serviceCase{scripted{decide: verdict(rules.Reject, nil), sign: never, account: address, audit: failing(audit.EventDecision)}, nil}.run(t, address)
}

// TestCrashedRecordIsNone: an approval whose record crashes is settled as not
// signed.
func TestCrashedRecordIsNone(t *testing.T) {
	address := crypto.PubkeyToAddress(newKey(t).PublicKey)
	decider := &scripted{decide: verdict(rules.Approve, nil), sign: failingWith(errors.New("never")), account: address}
	record := &entries{before: func(audit.Entry) { panic("boom") }}
	service := NewService(decider, decider, record, time.Second, time.Minute, slog.New(slog.DiscardHandler))
	_, err := service.sign(t.Context(), &rules.Request{Kind: rules.KindText, Account: rules.Account{Address: address}, Digest: common.Hash{1}})
	if !errors.Is(err, errUnrecorded) || !slices.Equal(decider.settled, once(rules.NotSigned)) {
		t.Errorf("%v, settled %v", err, decider.settled)
	}
}

// TestCrashedDeciderIsOnRecord: a decider that crashes has decided nothing, and one
// that crashes when the signature is there leaves an outcome that is not released,
// and that may be signed.
func TestCrashedDeciderIsOnRecord(t *testing.T) {
	key := newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	for _, late := range []bool{false, true} {
		decide := func(*rules.Request) (rules.Decision, error) { panic("boom") }
		if late {
			decide = verdict(rules.Approve, nil)
		}
		decider := &scripted{decide: decide, sign: signingWith(key), account: address, panics: late}
		var events []audit.Entry
		record := &entries{before: func(entry audit.Entry) { events = append(events, entry) }}
		service := NewService(decider, decider, record, time.Second, time.Minute, slog.New(slog.DiscardHandler))
		signature, err := service.sign(t.Context(), &rules.Request{Kind: rules.KindText, Account: rules.Account{Address: address}, Digest: common.Hash{1}})
		var unclear interface{ MayBeSigned() bool }
		var judged judgedError
		if err == nil || signature != [65]byte{} || !errors.As(err, &judged) || errors.As(err, &unclear) != late {
			t.Errorf("late %v: %x, %v", late, signature, err)
		}
		if !late {
			if len(events) != 1 || events[0].Event != audit.EventDecision || events[0].Verdict != "undecided" || events[0].Error != errInternal.Error() {
				t.Errorf("recorded %+v", events)
			}
			continue
		}
		if len(events) != 2 || events[1].Event != audit.EventOutcome || events[1].Outcome != "signed" || *events[1].Released {
			t.Errorf("recorded %+v", events)
		}
	}
}

// TestDeviation3UndecidedIsRefused: Clef asks a person at its console.
func TestDeviation3UndecidedIsRefused(t *testing.T) {
	key := newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	for _, v := range []rules.Verdict{rules.Undecided, rules.Refer} {
		serviceCase{scripted{decide: verdict(v, nil), sign: signingWith(key), account: address}, nil}.run(t, address)
	}
}

// TestDeviation6UnrecordedOutcomeWithholds: Clef releases the signature.
func TestDeviation6UnrecordedOutcomeWithholds(t *testing.T) {
	key := newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	serviceCase{
		scripted{decide: verdict(rules.Approve, nil), sign: signingWith(key), account: address, settle: errors.New("disk full")},
		once(rules.Signed),
	}.run(t, address)
}

// TestDeviation20DeciderCannotChangeWhatIsSigned: Clef signs what its UI makes
// of the request.
func TestDeviation20DeciderCannotChangeWhatIsSigned(t *testing.T) {
	key := newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	change := func(req *rules.Request) (rules.Decision, error) {
		req.Digest = common.Hash{9}
		return rules.Decision{Verdict: rules.Approve}, nil
	}
	serviceCase{scripted{decide: change, sign: signingWith(key), account: address}, once(rules.Signed)}.run(t, address)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
