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
	serving        map[string]string        // state by the id of the service, where replicas share them
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
		configurations: make(map[string]Configuration), services: make(map[string]Service), serving: make(map[string]string), raw: make(map[string][]byte),
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
func (s *shelf) read(c *contents, key string, value []byte) (err error) {
	if id, ok := strings.CutPrefix(key, keyServing); ok && idForm.MatchString(id) {
		c.serving[id], err = decodeServing(value)
		return err
	}
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

// sealGeneration is the change that raises the generation.
func (s *shelf) sealGeneration(c *contents) (rules.Change, error) {
	text, err := json.Marshal(generation{c.generation + 1})
	return rules.Change{Key: keyGeneration, Old: c.raw[keyGeneration], New: s.seal.close(keyGeneration, text)}, err
}

// commit makes all changes that were decided on by the contents, durably, or none. The
// error is [rules.ErrConflict] if they are not as they were. After any other they are
// not made, or the error says that this is not known.
func (s *shelf) commit(ctx context.Context, c *contents, changes ...rules.Change) error {
	next, err := s.sealGeneration(c)
	if err != nil {
		return err
	}
	err = s.records.ChangeRecords(ctx, append(changes, next)...)
	if err == nil || errors.Is(err, rules.ErrConflict) || errors.Is(err, rules.ErrRecordsFull) {
		return err
	}
	// It may have been made all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	change := changes[0]
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
