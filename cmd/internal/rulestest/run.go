package rulestest

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// Subject is what is tried.
type Subject interface {
	// Begin prepares it for a case, with the state that the case begins with.
	Begin(ctx context.Context, c *Case, stage *Stage) (*Trial, error)
}

// Trial is a subject with the state of one case.
type Trial struct {
	Engine  rules.Engine    // without an approver
	Storage *memory.Storage // of a rule file; nil: there is none
	Policy  bool            // a policy decides

	// Signatures returns those of methods that the policy names; nil: none.
	Signatures func(selector [4]byte) []string

	// Seen is told of every decision, when it was made; nil: nobody cares.
	Seen func(req *rules.Request, decision rules.Decision)

	Close func() // after the last step; nil: nothing is to be closed
}

// Result is what became of one step.
type Result struct {
	Verdict string
	Rule    string
	Reason  string
	Why     string // the explanation, for the audit log; "": none
	Note    string // what else is to be known; "": nothing
	Console []Line
	Storage []Change         // in the order of the keys
	Listed  []common.Address // by an approved listing
	Took    time.Duration    // from the decoded request to the settled decision

	Failures []string // what was not as expected; empty: the step passed
}

// Line is a line that the rule file printed.
type Line struct {
	Level string `json:"level"` // "log" or "error"
	Text  string `json:"text"`
}

// Change is a key of the storage whose value changed. "" is absence.
type Change struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Run takes a case's steps through the subject, one after the other on one
// state. Its results are those of the steps; the error is of a case that can't be
// tried. The file has further method selectors, "" is none.
func Run(ctx context.Context, subject Subject, c *Case, fourByteFile string) ([]Result, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key to throw away: %w", err)
	}
	stage := &Stage{now: c.Steps[0].Time}
	trial, err := subject.Begin(ctx, c, stage)
	if err != nil {
		return nil, err
	}
	if trial.Close != nil {
		defer trial.Close()
	}
	people, err := newPeople(ctx, stage, trial.Engine.Ledger)
	if err != nil {
		return nil, err
	}
	results := make([]Result, 0, len(c.Steps))
	for i, step := range c.Steps {
		people.wait(ctx, step.Time)
		stage.Enter(step.Time)
		before := trial.stored()
		judge := &judge{engine: trial.Engine, trial: trial, step: step, key: key, accounts: c.Accounts, people: asking{people: people, answer: step.People}}
		result, err := ask(ctx, judge, c, fourByteFile)
		if err != nil {
			return results, fmt.Errorf("step %d: %w", i+1, err)
		}
		after := trial.stored()
		result.Console, result.Storage = stage.lines(), changes(before, after)
		result.Failures = step.Expect.check(result, after)
		if step.People != "" && judge.people.referred == nil {
			result.Failures = append(result.Failures, "people: want their answer "+step.People+", and nobody was asked")
		}
		results = append(results, result)
	}
	return results, nil
}

// stored returns what the rule file has stored.
func (t *Trial) stored() map[string]string {
	if t.Storage == nil {
		return nil
	}
	return t.Storage.Snapshot()
}

// ask puts the request to the external API of a signer with this judge.
func ask(ctx context.Context, judge *judge, c *Case, fourByteFile string) (Result, error) {
	step := judge.step
	account, err := extapi.NewAccount(extapi.Config{
		Decider:       judge,
		Signer:        judge,
		Auditor:       judge,
		KeyMaker:      judge,
		ChainIDs:      c.chains(step.Request),
		Advanced:      c.Advanced,
		PolicyDecides: judge.trial.Policy,
		Signatures:    judge.trial.Signatures,
		FourByteFile:  fourByteFile,
	})
	if err != nil {
		return Result{}, err
	}
	got, err := send(ctx, account, step.Request, step.Caller)
	if err != nil {
		return Result{}, err
	}
	return judge.finish(step.Request, got), nil
}

// chains are those that the signer of a case signs for.
func (c *Case) chains(request Request) []*big.Int {
	ids := c.ChainIDs
	if len(ids) == 0 {
		ids = []uint64{request.chainID()}
	}
	numbers := make([]*big.Int, len(ids))
	for i, id := range ids {
		numbers[i] = new(big.Int).SetUint64(id)
	}
	return numbers
}

// changes compares two states of the storage.
func changes(before, after map[string]string) []Change {
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	var found []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if before[key] != after[key] {
			found = append(found, Change{key, before[key], after[key]})
		}
	}
	return found
}
