package approval

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many votes that do not count are in the journal, of one person: whoever may use a
// socket can send as many as it likes, and each would be an entry for ever.
const (
	uncountedBurst    = 20
	uncountedInterval = time.Minute // until one more
	maxUncounted      = 1000        // people and users that are told apart
)

// uncounted bounds what the journal has of votes that do not count.
type uncounted struct {
	mu sync.Mutex
	of map[string]*tally
}

// tally is of one person.
type tally struct {
	room *rate.Limiter
	left int // votes that were left out since the last one that was recorded
}

// take reports whether there is room for one more, and how many were left out before it.
func (u *uncounted) take(person string, now time.Time) (left int, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tally(person, now)
	if !t.room.AllowN(now, 1) {
		t.left++
		return 0, false
	}
	left, t.left = t.left, 0
	return left, true
}

// tally returns that of a person. When there are too many, those are forgotten that have
// all their room, and who finds no place shares one. The lock is the caller's.
func (u *uncounted) tally(person string, now time.Time) *tally {
	if u.of == nil {
		u.of = make(map[string]*tally)
	}
	if u.of[person] == nil && len(u.of) >= maxUncounted {
		for other, t := range u.of {
			if t.left == 0 && t.room.TokensAt(now) >= uncountedBurst {
				delete(u.of, other)
			}
		}
		if len(u.of) >= maxUncounted {
			person = "" // which nobody is called
		}
	}
	if u.of[person] == nil {
		u.of[person] = &tally{room: rate.NewLimiter(rate.Every(uncountedInterval), uncountedBurst)}
	}
	return u.of[person]
}

// refuse records a vote that does not count, and returns why. What comes too often is told
// the same and not recorded but for how many they were.
func (q *Queue) refuse(ctx context.Context, t *Ticket, ballot *Ballot, why error) error {
	left, ok := q.uncounted.take(ballot.Person, q.cfg.Clock())
	if !ok {
		q.cfg.Logger.DebugContext(ctx, "Vote does not count, and there are too many to record", "ticket", ballot.Ticket, "person", ballot.Person, "error", why)
		return why
	}
	text := why.Error()
	if left > 0 {
		text += fmt.Sprintf("; before it %d votes that did not count either came too fast to be recorded", left)
	}
	return q.recordUncounted(ctx, t, ballot, why, text)
}

// takeBack records that a vote which is on record as one that counts does not, and returns
// why.
func (q *Queue) takeBack(ctx context.Context, t *Ticket, ballot *Ballot, why error) error {
	return q.recordUncounted(ctx, t, ballot, why, why.Error())
}

// recordUncounted records a vote without its words and its proof, which prove nothing.
func (q *Queue) recordUncounted(ctx context.Context, t *Ticket, ballot *Ballot, why error, text string) error {
	q.cfg.Logger.WarnContext(ctx, "Vote does not count", "ticket", ballot.Ticket, "person", ballot.Person, "error", text)
	kept := *ballot
	kept.Comment, kept.Proof = "", nil
	return errors.Join(why, q.record(ctx, Event{What: WhatVote, Ticket: t, Ballot: &kept, Error: text}))
}
