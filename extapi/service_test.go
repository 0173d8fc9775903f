package extapi

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// scripted is a decider and a signer that do as they are told.
type scripted struct {
	decide  func(*rules.Request) (rules.Decision, error)
	sign    func(ctx context.Context, digest common.Hash) ([65]byte, error)
	settle  error
	account common.Address

	settled []rules.Outcome
	expired bool // the context had ended when an outcome was to be recorded
}

func (s *scripted) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	return s.decide(req)
}

func (s *scripted) Settle(ctx context.Context, _ *rules.Request, _ rules.Decision, outcome rules.Outcome) error {
	s.settled = append(s.settled, outcome)
	s.expired = s.expired || ctx.Err() != nil
	return s.settle
}

func (s *scripted) Accounts() []rules.Account { return nil }

func (s *scripted) Find(context.Context, common.Address) (rules.Account, bool) {
	return rules.Account{Address: s.account}, s.account != common.Address{}
}

func (s *scripted) Sign(ctx context.Context, _ common.Address, digest common.Hash) ([65]byte, error) {
	return s.sign(ctx, digest)
}

type certain struct{ error }

func (certain) NotSigned() bool { return true }

// TestServiceReleasesNothingWithoutDecisionAndOutcome takes the path of a
// signature apart: what fails on it releases nothing, and each approval is
// settled exactly once.
func TestServiceReleasesNothingWithoutDecisionAndOutcome(t *testing.T) {
	key, other := newKey(t), newKey(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	verdict := func(v rules.Verdict, err error) func(*rules.Request) (rules.Decision, error) {
		return func(*rules.Request) (rules.Decision, error) { return rules.Decision{Verdict: v}, err }
	}
	with := func(key *ecdsa.PrivateKey) func(context.Context, common.Hash) ([65]byte, error) {
		return func(_ context.Context, digest common.Hash) ([65]byte, error) {
			signature, err := crypto.Sign(digest[:], key)
			return [65]byte(signature), err
		}
	}
	fails := func(err error) func(context.Context, common.Hash) ([65]byte, error) {
		return func(context.Context, common.Hash) ([65]byte, error) { return [65]byte{1}, err }
	}
	boom := errors.New("boom")
	unknown, notSigned, signed := []rules.Outcome{rules.Unknown}, []rules.Outcome{rules.NotSigned}, []rules.Outcome{rules.Signed}
	for name, test := range map[string]struct {
		scripted
		settled []rules.Outcome
	}{
		"approved":              {scripted{decide: verdict(rules.Approve, nil), sign: with(key), account: address}, signed},
		"decider fails":         {scripted{decide: verdict(rules.Approve, boom), sign: with(key), account: address}, nil},
		"undecided":             {scripted{decide: verdict(rules.Undecided, nil), sign: with(key), account: address}, nil},
		"rejected":              {scripted{decide: verdict(rules.Reject, nil), sign: with(key), account: address}, nil},
		"referred":              {scripted{decide: verdict(rules.Refer, nil), sign: with(key), account: address}, nil},
		"no such verdict":       {scripted{decide: verdict(99, nil), sign: with(key), account: address}, nil},
		"unknown account":       {scripted{decide: verdict(rules.Approve, nil), sign: with(key)}, notSigned},
		"another account found": {scripted{decide: verdict(rules.Approve, nil), sign: with(key), account: common.Address{1}}, notSigned},
		"signer fails":          {scripted{decide: verdict(rules.Approve, nil), sign: fails(boom), account: address}, unknown},
		"signer surely fails":   {scripted{decide: verdict(rules.Approve, nil), sign: fails(certain{boom}), account: address}, notSigned},
		"another key signs":     {scripted{decide: verdict(rules.Approve, nil), sign: with(other), account: address}, unknown},
		"no signature at all":   {scripted{decide: verdict(rules.Approve, nil), sign: fails(nil), account: address}, unknown},
		"outcome not recorded":  {scripted{decide: verdict(rules.Approve, nil), sign: with(key), account: address, settle: boom}, signed},
		"signer crashes": {scripted{
			decide: verdict(rules.Approve, nil), account: address,
			sign: func(context.Context, common.Hash) ([65]byte, error) { panic("boom") },
		}, unknown},
		"signer takes all the time": {scripted{
			decide: verdict(rules.Approve, nil), account: address,
			sign: func(ctx context.Context, _ common.Hash) ([65]byte, error) {
				<-ctx.Done()
				return [65]byte{}, ctx.Err()
			},
		}, unknown},
		"decider changes the digest": {scripted{account: address, sign: with(key), decide: func(req *rules.Request) (rules.Decision, error) {
			req.Digest = common.Hash{9}
			return rules.Decision{Verdict: rules.Approve}, nil
		}}, signed},
	} {
		t.Run(name, func(t *testing.T) {
			s := test.scripted
			service := NewService(&s, &s, 50*time.Millisecond, slog.New(slog.DiscardHandler))
			digest := common.Hash{1, 2, 3}
			signature, err := service.sign(t.Context(), &rules.Request{
				Kind: rules.KindText, Account: rules.Account{Address: address}, Digest: digest,
			})
			released := len(test.settled) == 1 && test.settled[0] == rules.Signed && test.settle == nil
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
			if len(s.settled) != len(test.settled) || len(s.settled) == 1 && s.settled[0] != test.settled[0] {
				t.Errorf("settled %v, want %v", s.settled, test.settled)
			}
			if s.expired {
				t.Error("no time was left to record the outcome")
			}
		})
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
