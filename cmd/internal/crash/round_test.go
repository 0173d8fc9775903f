package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// latest is when a signer is killed that does not come by its failpoint.
const latest = 10 * time.Second

// plan is how a round ends.
type plan struct {
	place    string // "": at a random moment
	passing  int    // which passing of the place
	starting bool   // the time runs from the start, not from the first request
	after    time.Duration
}

// String describes the plan for a failure.
func (p plan) String() string {
	if p.place != "" {
		return fmt.Sprintf("killed at %s, passing %d", p.place, p.passing)
	}
	return fmt.Sprintf("killed after %v (of its start: %t)", p.after, p.starting)
}

// next plans a round: random moments and failpoints take turns.
func (s *stage) next() plan {
	if s.torn && s.kills[cutting] <= s.tally.torn/2 {
		return plan{place: cutting, passing: 1, after: latest}
	}
	if s.rounds%2 == 0 {
		starting := s.rounds%10 == 0
		span := 300 * time.Millisecond
		if starting {
			span = 80 * time.Millisecond
		}
		return plan{starting: starting, after: time.Duration(s.rng.Int64N(int64(span)))}
	}
	all := places()
	place := all[s.turn%len(all)]
	s.turn++
	if s.books.limits != nil && strings.HasPrefix(place.name, "store.") {
		place.most = 6 // the first are of the start and what it recovers, and ten more come in a second
	}
	return plan{place: place.name, passing: 1 + s.rng.IntN(place.most), after: latest}
}

// round starts a signer, kills it under load and checks what it has left.
func (s *stage) round(ctx context.Context, p plan) error {
	s.planned = p
	s.rounds++
	running, err := s.serve(ctx, p)
	if err != nil {
		return err
	}
	defer running.kill()
	var timer *time.Timer
	if p.starting {
		timer = time.AfterFunc(p.after, running.kill)
	}
	up, err := running.await(ctx)
	if err != nil {
		return err
	}
	if up {
		wait, err := s.load.begin(ctx, s.rng.Uint64())
		if err != nil && p.place == "" && !p.starting {
			return err // the others may be gone already
		}
		if timer == nil {
			timer = time.AfterFunc(p.after, running.kill)
		}
		<-running.ended
		wait(goneAfter)
	}
	if err := running.dead(); err != nil {
		return err
	}
	switch byPlace := timer == nil || timer.Stop(); {
	case p.place == "":
		s.atRandom++
		if !up {
			s.atStart++
		}
	case !byPlace:
		s.missed++
	default:
		s.kills[p.place]++
		if p.place == tearing {
			if err := s.tear(); err != nil {
				return err
			}
		}
	}
	if s.afterwards != nil {
		if err := s.afterwards(); err != nil {
			return err
		}
	}
	recorded := s.books.recoveries
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := s.mended(up, s.books.recoveries-recorded); err != nil {
		return err
	}
	if s.rounds%50 == 0 && !s.torn {
		return s.verify(ctx)
	}
	return nil
}

// mended looks whether the log ends with an unfinished line now. A signer cuts
// off the one that it finds, and records that; one that was killed while
// starting may not have come to the record.
func (s *stage) mended(up bool, recorded int) error {
	text, err := os.ReadFile(s.log())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	before, now := s.torn, len(text) > 0 && text[len(text)-1] != '\n'
	s.torn = now
	switch {
	case recorded > 1 || recorded == 1 && !before:
		return fmt.Errorf("the log records %d unfinished lines that were not there", recorded)
	case before && recorded == 0 && up:
		return errors.New("a signer started, and did not record the unfinished line that it found")
	case before && recorded == 0:
		if !now {
			s.unrecorded++
		}
	case now:
		s.tally.torn++
	}
	return nil
}

// tear leaves of the log's last line what a power cut may leave of it: a part,
// sometimes with zeros in place of the rest. Nobody was told of it. The journal beside the
// log may have it still, and else has a part of it as well.
func (s *stage) tear() error {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err
	}
	line := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	if len(text)-line < 2 {
		return errors.New("the log has no last line")
	}
	keep := int64(line + 1 + s.rng.IntN(len(text)-line-1))
	if err := os.Truncate(s.log(), keep); err != nil {
		return err
	}
	if s.rng.IntN(2) == 0 {
		if err := os.Truncate(s.log(), int64(len(text))); err != nil {
			return err
		}
	}
	s.imitated++
	if s.rng.IntN(2) == 0 {
		return nil
	}
	journal, err := os.ReadFile(s.log() + ".journal")
	if err != nil {
		return err
	}
	at := bytes.Index(journal, text[line:])
	if at < 0 {
		return errors.New("the journal does not have the log's last line")
	}
	clear(journal[at+1+s.rng.IntN(len(text)-line-1) : at+len(text)-line])
	return os.WriteFile(s.log()+".journal", journal, 0o600)
}
