package extapi

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// excerptBytes is how much of call data and messages the audit log shows: a
// selector and two words.
const excerptBytes = 68

// record makes the audit entries of one request.
type record struct {
	began time.Time
	entry audit.Entry // all that is known before the decision
}

// newRecord describes a request that is decoded and about to be judged.
func newRecord(req *rules.Request) *record {
	r := &record{began: time.Now(), entry: audit.Entry{
		Request:     req.ID,
		Principal:   req.Principal,
		Transport:   req.Caller.Transport,
		Remote:      req.Caller.Remote,
		Method:      req.Method,
		Kind:        req.Kind.String(),
		ContentType: req.ContentType,
		Vault:       req.Account.Vault,
		Key:         req.Account.Key,
		KeyVersion:  req.Account.Version,
		Filled:      strings.Join(req.Filled, ","),
	}}
	if req.Kind.Signs() {
		r.entry.Account = req.Account.Address.Hex()
		r.entry.Digest = req.Digest.Hex()
	}
	r.entry.ChainID = chainText(req)
	r.describe(req)
	return r
}

// idempotencyKey is the key of a context's idempotency key.
type idempotencyKey struct{}

// WithIdempotency says with which idempotency key the requests of a context come, by the key
// of its record in the state, and the hash of what is asked with it: for the entries of
// their decisions, see [audit.Idempotency].
func WithIdempotency(ctx context.Context, key, request string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, audit.Idempotency{Key: key, Request: request})
}

// idempotency adds the idempotency key to the entry of its decision.
func (r *record) idempotency(ctx context.Context) {
	if key, ok := ctx.Value(idempotencyKey{}).(audit.Idempotency); ok {
		r.entry.Idempotency = &key
	}
}

// whole adds the whole request to the entry of its decision.
func (r *record) whole(req *rules.Request) { r.entry.Whole = wholeOf(req) }

// describe fills in what the request's digest commits to.
func (r *record) describe(req *rules.Request) {
	payload := req.Preimage
	if tx := req.Transaction; tx != nil {
		r.entry.Nonce = strconv.FormatUint(tx.Nonce(), 10)
		r.entry.Value = tx.Value().String()
		payload = tx.Data()
		if to := tx.To(); to != nil {
			r.entry.To = to.Hex()
			if len(payload) >= 4 {
				r.entry.Selector = hexutil.Encode(payload[:4])
			}
		}
	}
	if req.Call != nil {
		r.entry.Selector = hexutil.Encode(req.Call.Selector[:])
		r.entry.Call = req.Call.Text
	}
	if len(payload) > 0 {
		r.entry.DataBytes = len(payload)
		r.entry.DataHash = crypto.Keccak256Hash(payload).Hex()
		r.entry.DataExcerpt = hexutil.Encode(payload[:min(len(payload), excerptBytes)])
	}
}

// decision is the entry of what was decided.
func (r *record) decision(decision rules.Decision, err error) audit.Entry {
	entry := r.entry
	entry.Event = audit.EventDecision
	entry.Verdict, entry.Rule, entry.Reason = decision.Verdict.String(), decision.Rule, decision.Reason
	entry.Ticket = decision.Ticket
	if decision.Policy != (common.Hash{}) {
		entry.Policy = decision.Policy.Hex()
	}
	entry.Explain = decision.Explanation
	entry.Micros = r.micros()
	if err != nil {
		entry.Verdict, entry.Error = rules.Undecided.String(), err.Error()
	} else {
		entry.Hold = holdOf(decision.Reservation)
	}
	return entry
}

// holdOf is what an entry says of a reservation.
func holdOf(r *rules.Reservation) *audit.Hold {
	if r == nil {
		return nil
	}
	hold := &audit.Hold{ID: uint64(r.ID), Time: r.At, Charges: make([]audit.Charge, len(r.Charges))}
	for i := range r.Charges {
		c := &r.Charges[i]
		hold.Charges[i] = audit.Charge{Counter: c.Counter, Slot: c.Slot, Amount: c.Amount.Dec(), Expires: c.Expires}
	}
	return hold
}

// outcome is the entry of what became of an approved request. It repeats only
// what finds it again.
func (r *record) outcome(result rules.Result, signed Signed, err error) audit.Entry {
	released := err == nil
	entry := audit.Entry{
		Event:        audit.EventOutcome,
		Request:      r.entry.Request,
		Method:       r.entry.Method,
		Account:      r.entry.Account,
		Digest:       r.entry.Digest,
		Outcome:      result.Outcome.String(),
		Released:     &released,
		Vault:        signed.Vault,
		Key:          signed.Key,
		KeyVersion:   signed.Version,
		VaultRequest: signed.RequestID,
		Micros:       r.micros(),
	}
	if result.Outcome == rules.Signed && result.Signature != ([65]byte{}) {
		entry.SignatureHash = crypto.Keccak256Hash(result.Signature[:]).Hex()
	}
	var of interface{ RequestID() string }
	if errors.As(err, &of) {
		entry.VaultRequest = of.RequestID()
	}
	if err != nil {
		entry.Error = err.Error()
	}
	return entry
}

// signed is the outcome of a request for a signature, which may be that of an
// equal request before.
func (r *record) signed(result rules.Result, signed Signed, equal *turn, err error) audit.Entry {
	entry := r.outcome(result, signed, err)
	entry.Repeat, entry.First = equal.again, equal.first.request
	return entry
}

// made is the outcome of account_new.
func (r *record) made(result rules.Result, account rules.Account, err error) audit.Entry {
	entry := r.outcome(result, Signed{Vault: account.Vault, Key: account.Key, Version: account.Version}, err)
	if account.Address != (common.Address{}) {
		entry.Account = account.Address.Hex()
	}
	return entry
}

// listed is the outcome of account_list.
func (r *record) listed(result rules.Result, count int, err error) audit.Entry {
	entry := r.outcome(result, Signed{}, err)
	if err == nil {
		entry.Outcome, entry.Listed = audit.OutcomeListed, &count
	}
	return entry
}

func (r *record) micros() int64 { return time.Since(r.began).Microseconds() }

// refused is the entry of a request that was refused before it was judged.
func refused(ctx context.Context, method string, err error) audit.Entry {
	caller, principal := whoAsks(ctx)
	return audit.Entry{
		Event:     audit.EventRefused,
		Request:   RequestID(ctx),
		Principal: principal,
		Transport: caller.Transport,
		Remote:    caller.Remote,
		Method:    method,
		Error:     err.Error(),
	}
}
