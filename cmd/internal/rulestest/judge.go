package rulestest

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// testVault is the vault of accounts of which the case does not say it.
const testVault = "test"

// warned begins the text of a request that validation warns of.
const warned = "validation failed: "

// unknownMethod is in the text of a request to call a method that no table has.
const unknownMethod = "the ABI signature could not be found"

// errNothingLeaves ends every use of a key: the judge has seen all by then.
var errNothingLeaves = errors.New("a test signs nothing")

// judge stands where a signer has its decider, signer, approver and log. It
// puts the request to the engine, carries the decision to its end, and then
// lets nothing out.
type judge struct {
	engine   rules.Engine
	trial    *Trial
	step     Step
	key      *ecdsa.PrivateKey // thrown away after the test
	accounts []rules.Account   // nil: whichever is asked for

	people asking

	asked  bool // the request came as far as the rules
	known  bool // its account is one of the signer's
	result Result
}

// Decide is called by the external API with the decoded request.
func (j *judge) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	j.asked = true
	if j.step.Principal != "" {
		asked := *req
		asked.Principal = j.step.Principal
		req = &asked
	}
	began := time.Now()
	j.decide(ctx, req)
	j.result.Took = time.Since(began)
	return rules.Decision{Verdict: rules.Reject}, nil
}

func (j *judge) decide(ctx context.Context, req *rules.Request) {
	j.engine.Approver = &j.people
	decision, err := j.engine.Decide(ctx, req)
	if j.trial.Seen != nil {
		j.trial.Seen(req, decision)
	}
	j.result.Rule, j.result.Why = decision.Rule, decision.Explanation
	switch {
	case err != nil:
		j.result.Verdict, j.result.Reason = Undecided, err.Error()
	case j.people.referred != nil && (decision.Verdict != rules.Reject || j.people.answer == PeopleReject):
		j.result.Verdict, j.result.Reason, j.result.Note = Refer, j.people.referred.Content.Reason, j.people.note()
		if decision.Verdict == rules.Approve {
			j.settle(ctx, req, decision)
		}
	case decision.Verdict == rules.Approve:
		j.result.Verdict, j.result.Reason = Approve, decision.Reason
		j.settle(ctx, req, decision)
	default:
		j.result.Verdict, j.result.Reason = Reject, decision.Reason
	}
}

// settle carries an approval to its end, as the signer does: what was approved
// for an account that it doesn't hold is not signed.
func (j *judge) settle(ctx context.Context, req *rules.Request, decision rules.Decision) {
	result := rules.Result{Outcome: rules.NotSigned}
	switch {
	case req.Kind == rules.KindList:
		j.result.Listed = shown(req.Accounts, decision.Listed)
		if j.accounts == nil {
			j.result.Note = "the case names no accounts, so that there are none to list"
		}
	case req.Kind.Signs() && !j.known:
		j.result.Note = fmt.Sprintf("account %v is not among the accounts of the case, so that nothing would be signed", req.Account.Address)
	case req.Kind.Signs():
		signature, err := crypto.Sign(req.Digest[:], j.key)
		if err != nil {
			j.result.Verdict, j.result.Reason = Withheld, err.Error()
			return
		}
		result = rules.Result{Outcome: rules.Signed, Signature: [65]byte(signature)}
	}
	if err := j.engine.Settle(ctx, req, decision, result); err != nil {
		j.result.Verdict, j.result.Reason = Withheld, err.Error()
	}
}

// shown returns the accounts that a listing shows, of which a decision may
// choose some.
func shown(accounts []rules.Account, listed []common.Address) []common.Address {
	addresses := []common.Address{}
	for _, account := range accounts {
		if listed == nil || slices.Contains(listed, account.Address) {
			addresses = append(addresses, account.Address)
		}
	}
	return addresses
}

// Settle is never called: Decide rejects everything.
func (j *judge) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return errNothingLeaves
}

// Accounts returns the accounts of the case.
func (j *judge) Accounts() []rules.Account { return j.accounts }

// Find returns the account of an address.
func (j *judge) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	if j.accounts == nil {
		j.known = true
		return rules.Account{Address: address, Vault: testVault, Key: "key-1", Version: "1"}, true
	}
	for _, account := range j.accounts {
		if account.Address == address {
			j.known = true
			return account, true
		}
	}
	return rules.Account{}, false
}

// Sign is never called.
func (j *judge) Sign(context.Context, common.Address, common.Hash) (extapi.Signed, error) {
	return extapi.Signed{}, errNothingLeaves
}

// NewAccount is never called.
func (j *judge) NewAccount(context.Context) (rules.Account, error) {
	return rules.Account{}, errNothingLeaves
}

// Append keeps no record: nothing happens that could be recorded.
func (j *judge) Append(context.Context, audit.Entry) error { return nil }

// unknownMethod says how a signer gets to know a method.
func (j *judge) unknownMethod() string {
	file := "put the signature of the method into a file that --4bytedb-custom (fourbyte_file) names"
	if j.trial.Policy {
		return "name the method by its signature in the policy, by call or function, or " + file
	}
	return file
}

// finish is what became of a request that the rules may not have seen.
func (j *judge) finish(request Request, got *answer) Result {
	switch {
	case j.asked:
	case got.Error != nil:
		j.result.Verdict, j.result.Reason = Refused, strings.TrimSpace(got.Error.Message)
		if strings.HasPrefix(j.result.Reason, warned) {
			j.result.Note = "validation warns of it, and rules are asked only by a signer that is advanced"
			if strings.Contains(j.result.Reason, unknownMethod) {
				j.result.Note = j.unknownMethod()
			}
		}
	default:
		j.result.Verdict, j.result.Reason = Unasked, request.Method+" is answered without asking rules"
	}
	return j.result
}
