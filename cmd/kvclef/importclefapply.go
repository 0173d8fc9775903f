package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// importRecord is the key of the record of an import, which is written last: with
// it, the state is the signer's own, and not filled again.
const (
	importKind   = "import"
	importRecord = importKind + "/clef"
)

// imported is the record of an import.
type imported struct {
	Folder string    `json:"folder"` // of the master seed, as Clef names it
	Values int       `json:"values"`
	SHA256 string    `json:"sha256,omitempty"` // of the values, as Clef had them
	Time   time.Time `json:"time"`             // UTC
}

// flushBytes is how much is put before it is made durable: less than a transaction
// may have.
const flushBytes = 4 << 20

// apply writes what was planned. Each step is complete before the next begins,
// and may be repeated.
func (plan *clefPlan) apply(ctx context.Context) (err error) {
	dir, err := datadir.Make(plan.dir)
	if err != nil {
		return &usageError{err}
	}
	if err := plan.fill(ctx, dir); err != nil {
		return err
	}
	if plan.selectors != nil {
		if err := writeOnce(filepath.Join(plan.dir, fourByteName), plan.selectors); err != nil {
			return err
		}
	}
	if plan.configKept {
		return nil
	}
	return writeOnce(plan.configPath, plan.config)
}

// fill fills the state.
func (plan *clefPlan) fill(ctx context.Context, dir datadir.Dir) (err error) {
	cfg := config.Default() // the folder has what it says
	if err := mayBegin(ctx, cfg, dir); err != nil {
		return err
	}
	if err := bolt.Create(dir.Store()); err != nil && !errors.Is(err, bolt.ErrExists) {
		return err
	}
	store, err := openStore(ctx, cfg, dir, bolt.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if plan.before == nil {
		if err := plan.putValues(ctx, store); err != nil {
			return fmt.Errorf("carrying over what the rule file keeps: %w; give the command again", err)
		}
	}
	if err := plan.attest(ctx, store); err != nil {
		return err
	}
	if plan.before != nil {
		return nil
	}
	digest, err := valuesDigest(plan.values)
	if err != nil {
		return err
	}
	record, err := json.Marshal(imported{Folder: filepath.Base(plan.vault), Values: len(plan.values), SHA256: digest, Time: attestTime()})
	if err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	change := rules.Change{Key: importRecord, New: record}
	if plan.replaced != nil {
		change.Old = []byte(plan.replaced.RecordValues[importRecord])
	}
	if err := store.ChangeRecords(ctx, change); err != nil {
		return fmt.Errorf("recording the import: %w", err)
	}
	return nil
}

func (plan *clefPlan) putValues(ctx context.Context, store rules.Storage) error {
	tx, err := store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if plan.replaced != nil {
		for name := range plan.replaced.Values {
			if _, still := plan.values[name]; still {
				continue
			}
			if err := tx.Put(name, ""); err != nil {
				return err
			}
		}
	}
	unflushed := 0
	for name, value := range plan.values {
		if value == "" && plan.replaced == nil {
			continue // to a rule file it is the same as none
		}
		if err := tx.Put(name, value); err != nil {
			return err
		}
		if unflushed += len(name) + len(value); unflushed < flushBytes {
			continue
		}
		if err := tx.Flush(ctx); err != nil {
			return err
		}
		unflushed = 0
	}
	return tx.Commit(ctx)
}

// attest keeps the attestation unless it is there already, perhaps signed.
func (plan *clefPlan) attest(ctx context.Context, store *bolt.Store) error {
	if plan.attestation == nil {
		return nil
	}
	at, ok, err := store.Attestation(ctx, rules.RuleFile)
	if err != nil || ok && at.SHA256 == plan.attestation.SHA256 {
		return err
	}
	if err := store.Attest(ctx, *plan.attestation); err != nil {
		return fmt.Errorf("recording the attestation: %w", err)
	}
	return nil
}

// writeOnce writes a file for its owner alone, whole or not at all. One that is
// there must be the same.
func writeOnce(path string, data []byte) (err error) {
	existing, err := os.ReadFile(path)
	if err == nil && bytes.Equal(existing, data) {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing %s: it is there already: remove it first", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".import-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, removed(file.Name())) }()
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Link(file.Name(), path); err != nil { // unlike a renaming, it replaces nothing
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return datadir.Sync(filepath.Dir(path))
}

// removed removes a temporary file.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// names returns the names of values, sorted.
func names(values map[string]string) []string {
	found := make([]string, 0, len(values))
	for name := range values {
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}
