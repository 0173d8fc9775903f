package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// prefixHosted is of the records of hosted services: hosted/ID/…
const prefixHosted = "hosted/"

// A hosted service may use a quarter of the store, and all of them together three, so
// that neither one that is flooded nor all keep the process itself from its work.
const (
	shareOfOne = 4 // of how many
	shareOfAll = 3 // of those
)

// maxFinishedHosted is how many finished transactions a service keeps at most. With
// what is under way and as many idempotency keys they have room in its share.
const maxFinishedHosted = 60_000

// hostedRecords are all records of a store. What hosted services add to theirs is
// bounded by their shares.
type hostedRecords struct {
	rules.Records
	most size // of one service
	log  *slog.Logger

	mu   sync.Mutex
	kept map[string]size // by the id of the service
	all  size
	full map[string]bool // whether the log says so already
}

// size is what records take.
type size struct{ records, bytes int }

func (s size) plus(t size) size { return size{s.records + t.records, s.bytes + t.bytes} }

// gain and loss are the parts of a difference.
func (s size) gain() size { return size{max(s.records, 0), max(s.bytes, 0)} }
func (s size) loss() size { return size{min(s.records, 0), min(s.bytes, 0)} }

func (s size) beyond(most size) bool { return s.records > most.records || s.bytes > most.bytes }

func (s size) atLeast(t size) size { return size{max(s.records, t.records), max(s.bytes, t.bytes)} }

// times multiplies.
func (s size) times(n int) size { return size{s.records * n, s.bytes * n} }

// openHostedRecords counts what is there.
func openHostedRecords(ctx context.Context, records rules.Records, log *slog.Logger) (*hostedRecords, error) {
	return newHostedRecords(ctx, records, size{rules.MaxRecords / shareOfOne, rules.MaxRecordBytes / shareOfOne}, log)
}

func newHostedRecords(ctx context.Context, records rules.Records, most size, log *slog.Logger) (*hostedRecords, error) {
	h := &hostedRecords{Records: records, most: most, log: log, kept: make(map[string]size), full: make(map[string]bool)}
	err := h.count(ctx)
	return h, err
}

// counting is a store that counts without telling what it has.
type counting interface {
	// RecordKinds counts the records below a prefix by what comes before the next slash.
	RecordKinds(ctx context.Context, prefix string) ([]store.RecordKind, error)
}

// count counts what is there. What this process adds meanwhile is in it or not, until it
// is counted again; so is what other replicas add until then, so that several may get
// beyond a share by that much.
func (h *hostedRecords) count(ctx context.Context) error {
	kept := make(map[string]size)
	if counting, ok := h.Records.(counting); ok {
		kinds, err := counting.RecordKinds(ctx, prefixHosted)
		if err != nil {
			return fmt.Errorf("counting the records of hosted services: %w", err)
		}
		for _, kind := range kinds {
			kept[kind.Kind] = size{kind.Records, int(kind.Bytes)}
		}
	} else if err := h.EachRecord(ctx, prefixHosted, func(key string, value []byte) error {
		if id := hostedID(key); id != "" {
			kept[id] = kept[id].plus(sizeOf(key, value))
		}
		return nil
	}); err != nil {
		return fmt.Errorf("counting the records of hosted services: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept, h.all = kept, size{}
	for _, of := range kept {
		h.all = h.all.plus(of)
	}
	return nil
}

// of returns the records of one service.
func (h *hostedRecords) of(id string) scopedRecords { return scopedRecords{h, prefixHosted + id + "/"} }

// ids returns the services that have records, also those that there are no more.
func (h *hostedRecords) ids() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.kept))
}

// ChangeRecords makes all changes or none. The error is [rules.ErrRecordsFull] if a
// service has no room for what it adds. What adds nothing to all of them, as the moving
// of records from one to another, is never refused so.
func (h *hostedRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	adds := make(map[string]size)
	for _, c := range changes {
		if id := hostedID(c.Key); id != "" {
			adds[id] = adds[id].plus(sizeOf(c.Key, c.New)).plus(sizeOf(c.Key, c.Old).times(-1))
		}
	}
	if err := h.reserve(ctx, adds); err != nil {
		return err
	}
	err := h.Records.ChangeRecords(ctx, changes...)
	h.settle(adds, err == nil || h.wereMade(ctx, changes, err))
	return err
}

// reserve counts what services add, if there is room.
func (h *hostedRecords) reserve(ctx context.Context, adds map[string]size) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var total size
	for _, add := range adds {
		total = total.plus(add)
	}
	if total.beyond(size{}) {
		for id, add := range adds {
			after, all := h.kept[id].plus(add.gain()), h.all.plus(total.gain())
			switch {
			case !add.beyond(size{}):
			case after.beyond(h.most.atLeast(h.kept[id])):
				return h.refuse(ctx, id, fmt.Errorf("%w: the hosted service %s would have %d with %d bytes, and may have a share of %d with %d: wait until it has finished some, have proxy.retain shorter, or send less",
					rules.ErrRecordsFull, id, after.records, after.bytes, h.most.records, h.most.bytes))
			case all.beyond(h.most.times(shareOfAll).atLeast(h.all)):
				most := h.most.times(shareOfAll)
				return h.refuse(ctx, id, fmt.Errorf("%w: all hosted services together would have %d with %d bytes, and may have %d with %d: the service %s can add none until others have finished some",
					rules.ErrRecordsFull, all.records, all.bytes, most.records, most.bytes, id))
			}
		}
	}
	for id, add := range adds {
		h.add(id, add.gain())
		if add.beyond(size{}) {
			delete(h.full, id)
		}
	}
	return nil
}

// refuse tells the log, once until there is room again: the error reaches only callers,
// and not in full.
func (h *hostedRecords) refuse(ctx context.Context, id string, err error) error {
	if !h.full[id] {
		h.full[id] = true
		h.log.WarnContext(ctx, "Hosted service has no room for more records", "id", id, "error", err)
	}
	return err
}

// settle counts what was made of changes that room was reserved for.
func (h *hostedRecords) settle(adds map[string]size, made bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, add := range adds {
		if made {
			h.add(id, add.loss())
		} else {
			h.add(id, add.gain().times(-1))
		}
	}
}

// add counts. Whoever calls it has the lock, or has it alone.
func (h *hostedRecords) add(id string, s size) {
	h.all = h.all.plus(s)
	if h.kept[id] = h.kept[id].plus(s); h.kept[id] == (size{}) {
		delete(h.kept, id)
	}
}

// settleTimeout bounds finding out whether changes were made.
const settleTimeout = 5 * time.Second

// wereMade finds out whether changes were made in spite of an error. What can't be
// found out is counted as if they were not; the next start counts anew.
func (h *hostedRecords) wereMade(ctx context.Context, changes []rules.Change, err error) bool {
	if errors.Is(err, rules.ErrConflict) || errors.Is(err, rules.ErrRecordsFull) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	for _, c := range changes {
		if (c.Old == nil) == (c.New == nil) && bytes.Equal(c.Old, c.New) {
			continue
		}
		now, err := h.Record(ctx, c.Key)
		return err == nil && (now == nil) == (c.New == nil) && bytes.Equal(now, c.New)
	}
	return false
}

// hostedID returns the id of the service that a record is of, "" if it is of none.
func hostedID(key string) string {
	below, ok := strings.CutPrefix(key, prefixHosted)
	id, _, of := strings.Cut(below, "/")
	if !ok || !of {
		return ""
	}
	return id
}

func sizeOf(key string, value []byte) size {
	if value == nil {
		return size{}
	}
	return size{1, len(key) + len(value)}
}
