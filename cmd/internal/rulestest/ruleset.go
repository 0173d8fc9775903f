package rulestest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

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

// Run takes a case's steps through the rule file.
func (r Ruleset) Run(ctx context.Context, c *Case) ([]Result, error) {
	return Run(ctx, r, c, r.FourByteFile)
}

// Begin starts the rule file, as a signer does.
func (r Ruleset) Begin(ctx context.Context, c *Case, stage *Stage) (*Trial, error) {
	storage, err := Prepared(ctx, c.Storage)
	if err != nil {
		return nil, err
	}
	ruleset, err := r.Start(ctx, storage, stage)
	if err != nil {
		return nil, err
	}
	return &Trial{Engine: rules.Engine{Rules: []rules.Rule{ruleset}}, Storage: storage, Close: ruleset.Close}, nil
}

// Start starts the rule file on a storage; the caller closes it.
func (r Ruleset) Start(ctx context.Context, storage rules.Storage, stage *Stage) (*clefjs.Ruleset, error) {
	ruleset, err := r.load(ctx, clefjs.Options{Storage: storage, Timeout: r.Timeout, Console: stage.Print, Now: stage.Clock})
	if err != nil {
		return nil, err
	}
	if err := ruleset.Start(ctx, clefjs.Info{Version: extapi.Version}); err != nil {
		ruleset.Close()
		return nil, err
	}
	return ruleset, nil
}

// Prepared returns a storage with values in it.
func Prepared(ctx context.Context, values map[string]string) (*memory.Storage, error) {
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
