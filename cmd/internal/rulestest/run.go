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
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// Ruleset is the rule file under test.
type Ruleset struct {
	Name         string // as decisions and errors name it
	Source       []byte
	Timeout      time.Duration // of each call; 0: the default
	FourByteFile string        // further method selectors; "": none
}

// Result is what became of one step.
type Result struct {
	Verdict string
	Rule    string
	Reason  string
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

// Load reads the rule file as a signer does when it starts, and closes it. The
// error has file, line and column.
func (r Ruleset) Load(ctx context.Context) error {
	ruleset, err := r.load(ctx, clefjs.Options{Storage: memory.New(nil), Timeout: r.Timeout})
	if err != nil {
		return err
	}
	ruleset.Close()
	return nil
}

// load loads the file unless the context has ended.
func (r Ruleset) load(ctx context.Context, options clefjs.Options) (*clefjs.Ruleset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return clefjs.Load(r.Name, r.Source, options) //nolint:contextcheck // it takes none: its time limit bounds it
}

// Run takes a case's steps through the rule file, one after the other on one
// storage. Its results are those of the steps; the error is of a case that
// can't be tried.
func (r Ruleset) Run(ctx context.Context, c *Case) ([]Result, error) {
	storage, err := prepared(ctx, c.Storage)
	if err != nil {
		return nil, err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key to throw away: %w", err)
	}
	stage := &stage{now: c.Steps[0].Time}
	ruleset, err := r.load(ctx, clefjs.Options{Storage: storage, Timeout: r.Timeout, Console: stage.print, Now: stage.clock})
	if err != nil {
		return nil, err
	}
	defer ruleset.Close()
	if err := ruleset.Start(ctx, clefjs.Info{Version: extapi.Version}); err != nil { // as a signer does
		return nil, err
	}
	results := make([]Result, 0, len(c.Steps))
	for i, step := range c.Steps {
		stage.enter(step.Time)
		before := storage.Snapshot()
		judge := &judge{engine: rules.Engine{Rules: []rules.Rule{ruleset}}, key: key, accounts: c.Accounts}
		result, err := r.ask(ctx, judge, c, step)
		if err != nil {
			return results, fmt.Errorf("step %d: %w", i+1, err)
		}
		after := storage.Snapshot()
		result.Console, result.Storage = stage.lines(), changes(before, after)
		result.Failures = step.Expect.check(result, after)
		results = append(results, result)
	}
	return results, nil
}

// prepared returns a storage with values in it.
func prepared(ctx context.Context, values map[string]string) (*memory.Storage, error) {
	storage := memory.New(nil)
	tx, err := storage.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	defer tx.Rollback()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := tx.Put(key, values[key]); err != nil {
			return nil, fmt.Errorf("storage.%s: %w", key, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	return storage, nil
}

// ask puts the request to the external API of a signer with this judge.
func (r Ruleset) ask(ctx context.Context, judge *judge, c *Case, step Step) (Result, error) {
	account, err := extapi.NewAccount(extapi.Config{
		Decider:      judge,
		Signer:       judge,
		Auditor:      judge,
		KeyMaker:     judge,
		ChainIDs:     c.chains(step.Request),
		Advanced:     c.Advanced,
		FourByteFile: r.FourByteFile,
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
