package hosting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// The keys of records.
const (
	keyAll           = "sealed/hosted/"
	keyConfiguration = keyAll + "configuration/" // and its id
	keyService       = keyAll + "service/"       // and its id

	// keyGeneration is of a number that every change raises, so that what a change
	// was decided on is what there was when it was made: that no configuration has
	// the name, that no service uses it.
	keyGeneration = keyAll + "generation"
)

// settleTimeout bounds finding out whether a change was made.
const settleTimeout = 5 * time.Second

// shelf is the sealed records in a store.
type shelf struct {
	records rules.Records
	seal    *Seal
}

// contents is all that is kept, as it was at one time.
type contents struct {
	configurations map[string]Configuration // by id
	services       map[string]Service       // by id
	raw            map[string][]byte        // the records by their keys
	generation     uint64
}

type generation struct {
	Number uint64 `json:"number"`
}

// load reads and opens every record. One that does not open is an error: nothing
// may look as if it were not there.
func (s *shelf) load(ctx context.Context) (*contents, error) {
	c := &contents{
		configurations: make(map[string]Configuration), services: make(map[string]Service), raw: make(map[string][]byte),
	}
	err := s.records.EachRecord(ctx, keyAll, func(key string, value []byte) error {
		if err := s.read(c, key, value); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		c.raw[key] = value
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the hosted services: %w", err)
	}
	return c, nil
}

// read opens one record.
func (s *shelf) read(c *contents, key string, value []byte) error {
	text, err := s.seal.open(key, value)
	if err != nil {
		return err
	}
	if key == keyGeneration {
		var g generation
		err := config.DecodeJSON(text, &g)
		c.generation = g.Number
		return err
	}
	if id, ok := strings.CutPrefix(key, keyConfiguration); ok && idForm.MatchString(id) {
		var r record[config.HostedDocument]
		if err := config.DecodeJSON(text, &r); err != nil {
			return err
		}
		c.configurations[id], err = configurationOf(id, r)
		return err
	}
	if id, ok := strings.CutPrefix(key, keyService); ok && idForm.MatchString(id) {
		var r record[config.HostedService]
		if err := config.DecodeJSON(text, &r); err != nil {
			return err
		}
		c.services[id] = serviceOf(id, r)
		return nil
	}
	return errors.New("no version of kvclef that is known keeps it there")
}

// put returns the change that keeps a new record.
func put[Document any](s *shelf, key string, r record[Document]) (rules.Change, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return rules.Change{}, fmt.Errorf("encoding the record %s: %w", key, err)
	}
	return rules.Change{Key: key, New: s.seal.close(key, text)}, nil
}

// remove returns the change that removes a record.
func (c *contents) remove(key string) rules.Change { return rules.Change{Key: key, Old: c.raw[key]} }

// commit makes one change that was decided on by the contents, durably. The error
// is [rules.ErrConflict] if they are not as they were. After any other it is not
// made, or the error says that this is not known.
func (s *shelf) commit(ctx context.Context, c *contents, change rules.Change) error {
	text, err := json.Marshal(generation{c.generation + 1})
	if err != nil {
		return err
	}
	next := rules.Change{Key: keyGeneration, Old: c.raw[keyGeneration], New: s.seal.close(keyGeneration, text)}
	err = s.records.ChangeRecords(ctx, change, next)
	if err == nil || errors.Is(err, rules.ErrConflict) || errors.Is(err, rules.ErrRecordsFull) {
		return err
	}
	// It may have been made all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	now, unread := s.records.Record(ctx, change.Key)
	switch {
	case unread != nil:
		return fmt.Errorf("it is not known whether the store was changed: %w", errors.Join(err, unread))
	case (now == nil) == (change.New == nil) && bytes.Equal(now, change.New):
		return nil
	default:
		return fmt.Errorf("changing the store: %w", err)
	}
}
