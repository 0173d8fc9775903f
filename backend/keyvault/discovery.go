package keyvault

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend"
)

// readers is how many keys are read at once: enough for the published 400
// requests a second at a vault that takes 80 ms for one.
const readers = 32

// pagesAhead is how many pages the listing may be ahead of the reading.
const pagesAhead = 1024

// survey is what one reading of the vault has found out about one key. Only
// one goroutine works on a survey at a time.
type survey struct {
	candidate
	entries map[identifier]*entry // by folded identifier
	skipped []*Skipped
	failed  error // the key, or some of it, could not be read
}

// read reads the vault's keys and replaces what is held. The first reading of
// a big vault leaves older versions to a second one and reports more=true: one
// request per key is what the start has to wait for, and most keys have no
// other version.
func (v *Vault) read(ctx context.Context, first bool) (more bool, err error) {
	select {
	case <-v.reading:
	case <-ctx.Done():
		return false, v.refusal(ctx, backend.KindCanceled, 0, v.of("reading %s was given up")).asError()
	}
	defer func() { v.reading <- struct{}{} }()

	old := v.held.Load()
	surveys, err := v.survey(ctx, old)
	if err != nil {
		return false, err
	}
	more = first && !v.cfg.Complete && len(surveys) > v.tune.eagerKeys
	if !more {
		v.each(surveys, func(s *survey) { v.readVersions(ctx, s, old) })
	}
	if err := ctx.Err(); err != nil {
		return false, v.refusal(ctx, backend.KindCanceled, 0, v.of("reading %s was given up")).asError()
	}
	next := newHoldings(surveys, old)
	if err := allFailed(surveys, first); err != nil && (!first || len(next.entries) == 0) {
		return false, err
	}
	v.logChanges(old, next)
	v.held.Store(next)
	return more, nil
}

// survey lists the keys and, while further pages are on their way, reads those
// that are listed: pages come one after another, and a big vault has hundreds.
func (v *Vault) survey(ctx context.Context, old *holdings) ([]*survey, error) {
	pages := make(chan []*survey, pagesAhead)
	var surveys []*survey
	var reading errgroup.Group
	reading.SetLimit(readers)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for page := range pages {
			for _, s := range page {
				if s.candidate.skipped == nil {
					reading.Go(func() error { v.readCurrent(ctx, s, old); return nil })
				}
			}
		}
	}()
	err := v.candidates(ctx, func(found []candidate) {
		page := make([]*survey, len(found))
		for i, c := range found {
			page[i] = &survey{candidate: c, entries: make(map[identifier]*entry)}
		}
		surveys = append(surveys, page...)
		pages <- page
	})
	close(pages)
	<-done
	_ = reading.Wait() // the readers keep their errors in the surveys
	return surveys, err
}

func (v *Vault) each(surveys []*survey, work func(*survey)) {
	var group errgroup.Group
	group.SetLimit(readers)
	for _, s := range surveys {
		if s.candidate.skipped == nil {
			group.Go(func() error { work(s); return nil })
		}
	}
	_ = group.Wait() // work keeps its error in the survey
}

// allFailed returns an error if there were keys to read and none could be. That a
// key is not there is a failure at the first reading alone, when its name may be
// wrong: later it was deleted, and that is known now.
func allFailed(surveys []*survey, first bool) error {
	var last error
	for _, s := range surveys {
		if s.failed == nil || !first && gone(s.failed) {
			return nil
		}
		last = s.failed
	}
	return last
}

// readCurrent reads the version that the configuration names, or the current
// version of a key that is not known yet.
func (v *Vault) readCurrent(ctx context.Context, s *survey, old *holdings) {
	if s.listed != nil && (old.knows(s.id.name) || checkAttributes(s.id, s.listed.Attributes, time.Now()) != nil) {
		return // readVersions has less to ask
	}
	s.add(v.readVersion(ctx, s.id, old))
}

// readVersions reads the versions of a key that have not been read yet.
func (v *Vault) readVersions(ctx context.Context, s *survey, old *holdings) {
	if s.id.version != "" {
		return
	}
	versions, err := v.versions(ctx, s.id.name)
	if err != nil {
		v.keep(s, old, err)
		return
	}
	read, judged := s.entries, judgements(s.skipped)
	s.entries, s.skipped, s.failed = make(map[identifier]*entry, len(versions)), nil, nil
	for _, p := range versions {
		id, err := parseIdentifier(string(deref(p.KID)))
		if err != nil || id.version == "" {
			s.skipped = append(s.skipped, skip(s.id, SkipError, "has a version with an identifier that can't be read"))
			continue
		}
		id.name = s.id.name
		if unusable := checkAttributes(id, p.Attributes, time.Now()); unusable != nil {
			s.skipped = append(s.skipped, unusable)
			continue
		}
		if e := read[id.fold()]; e != nil {
			s.entries[id.fold()] = e
		} else if e := old.find(id); e != nil && e.unchanged(p) {
			s.entries[id.fold()] = e
		} else if never := cmp.Or(judged[id.fold()], old.judged[id.fold()]); never != nil {
			s.skipped = append(s.skipped, never)
		} else {
			s.add(v.readVersion(ctx, id, old))
		}
	}
}

// keep settles a key whose versions can't be listed. One that is gone is gone;
// an identity without the right to list keeps what it can read by name.
func (v *Vault) keep(s *survey, old *holdings, err error) {
	if gone(err) {
		s.entries = nil
		s.skipped = []*Skipped{skip(s.id, SkipGone, "is not in the vault any more")}
		return
	}
	for _, e := range old.ofKey(s.id.name) {
		if s.entries[e.id().fold()] == nil {
			s.entries[e.id().fold()] = e
		}
	}
	if s.listed != nil || len(s.entries) == 0 && s.failed == nil && len(s.skipped) == 0 {
		s.failed = err
		s.skipped = append(s.skipped, skip(s.id, SkipError, "has versions that can't be read: %v", err))
	}
}

// readVersion gets one version of a key, or the current one.
func (v *Vault) readVersion(ctx context.Context, id identifier, old *holdings) (*entry, *Skipped, error) {
	began := time.Now()
	bundle, err := call(ctx, v, v.getting(id), func(ctx context.Context, client *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return client.GetKey(ctx, id.name, id.version, nil)
	})
	if err != nil {
		return v.unread(id, old, err)
	}
	e, skipped := newEntry(v.cfg.Name, id, bundle.KeyBundle, v.cfg.IncludeManaged, time.Now())
	if skipped != nil {
		return nil, skipped, nil
	}
	if e.hardware {
		v.gate.charge(v.costs.read * (v.costs.hardware - 1))
	}
	e.settled = !e.updated.IsZero() && began.Sub(e.updated) > v.tune.settledAfter
	if pinned := old.find(e.id()); pinned != nil && pinned.account.PublicKey != e.account.PublicKey {
		v.logger.Error("the public key of a key version has changed, as it never may: the pinned one stays, find out who changed it",
			"key", e.account.Key, "version", e.account.Version, "pinned", pinned.account.Address.Hex(), "now", e.account.Address.Hex())
		return pinned, skip(e.id(), SkipChanged, "has another public key than the pinned one, which stays in force"), nil
	}
	return e, nil, nil
}

// unread settles a version that can't be read: the vault may have said that it
// is gone or disabled; else what is known of it stays.
func (v *Vault) unread(id identifier, old *holdings, err error) (*entry, *Skipped, error) {
	answer, answered := asFault(err)
	switch {
	case gone(err):
		return nil, skip(id, SkipGone, "is not in the vault"), err
	case answered && answer.status == http.StatusForbidden && (answer.inner == "KeyDisabled" || answer.mentions("disabled")):
		return nil, skip(id, SkipDisabled, "is disabled"), nil
	}
	skipped := skip(id, SkipError, "can't be read: %v", err)
	if id.version != "" {
		if e := old.find(id); e != nil {
			return e, skipped, nil
		}
	}
	return nil, skipped, err
}

// add takes in what one request for a version has given.
func (s *survey) add(e *entry, skipped *Skipped, err error) {
	if e != nil {
		s.entries[e.id().fold()] = e
	}
	if skipped != nil {
		s.skipped = append(s.skipped, skipped)
	}
	if err != nil {
		s.failed = err
	}
}
