package identity

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long keys are used, and how often the issuer is asked for them. An issuer that
// rotates keys publishes the new one before it signs with it, and can take one that
// was stolen out of the set.
const (
	keysFresh  = 15 * time.Minute // then they are asked for again, while they go on being used
	keysLate   = 16 * time.Minute // then tokens wait for the answer: one of them may have been withdrawn long ago
	keysLast   = 24 * time.Hour   // then, if the issuer can't be reached, no token counts
	askAgain   = 10 * time.Second // between two questions, whoever causes them
	askTimeout = 10 * time.Second
	noAnswer   = time.Minute // after a question that failed nobody waits for the next, while keys are known
	maxWaiting = 16          // tokens with unknown keys that wait for an answer: anybody can send one
)

var errNoKeys = errors.New("the keys of the issuer are not known: see the log for what it answers")

// keySet is what is known of an issuer's keys. They are asked for when a token needs
// them, once for all who wait.
type keySet struct {
	source source
	clock  func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	known   []key
	read    time.Time // when they were
	asked   time.Time
	failed  time.Time     // when the last question was asked that was not answered
	asking  chan struct{} // closed when the answer has come; nil: nobody asks
	cancel  context.CancelFunc
	waiting int // tokens with unknown keys
	closed  bool
	running sync.WaitGroup
}

func newKeySet(from source, clock func() time.Time, log *slog.Logger) *keySet {
	return &keySet{source: from, clock: clock, log: log}
}

// find returns the keys that a token may be signed with. One that is not known is
// asked for, and so are all when they were read too long ago; if that fails those that
// are known count.
func (s *keySet) find(ctx context.Context, id string, algorithm jose.SignatureAlgorithm) ([]any, error) {
	found, usable, answer := s.look(ctx, id, algorithm)
	if len(found) > 0 {
		return found, nil
	}
	if s.enter(answer) {
		err := answer.wait(ctx)
		s.leave(answer)
		if err != nil {
			return nil, err
		}
		if found, usable, _ = s.look(ctx, id, algorithm); len(found) > 0 {
			return found, nil
		}
	}
	if !usable {
		return nil, errNoKeys
	}
	return nil, errors.New("the issuer has no key of the id that the token names, or several for one without")
}

// look returns the keys that are known, whether any are, and what to wait for if that
// is not enough.
func (s *keySet) look(ctx context.Context, id string, algorithm jose.SignatureAlgorithm) (found []any, usable bool, next answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	age := now.Sub(s.read)
	if usable = !s.read.IsZero() && age < keysLast; usable {
		found = pick(s.known, id, algorithm)
	}
	if !usable || len(found) == 0 || age >= keysFresh {
		s.ask(ctx, now)
	}
	if s.asking == nil || usable && !s.failed.IsZero() && now.Sub(s.failed) < noAnswer {
		return found, usable, answer{}
	}
	if !usable || age >= keysLate {
		return nil, usable, answer{comes: s.asking}
	}
	return found, usable, answer{comes: s.asking, few: true}
}

// answer is what a token waits for.
type answer struct {
	comes <-chan struct{} // nil: nothing is to be waited for
	few   bool            // keys are known, but not the token's: so may be anything that somebody has made up
}

func (a answer) wait(ctx context.Context) error {
	select {
	case <-a.comes:
		return nil
	case <-ctx.Done():
		return errNoKeys
	}
}

// enter is false if there is nothing to wait for, or if enough wait for the same.
func (s *keySet) enter(a answer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.comes == nil || a.few && s.waiting >= maxWaiting {
		return false
	}
	if a.few {
		s.waiting++
	}
	return true
}

func (s *keySet) leave(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.few {
		s.waiting--
	}
}

// ask begins to ask the issuer, unless somebody does, or did a moment ago. The lock
// is held.
func (s *keySet) ask(ctx context.Context, now time.Time) {
	if s.closed || s.asking != nil || !s.asked.IsZero() && now.Sub(s.asked) < askAgain {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout) // a caller who hangs up must not end it
	comes := make(chan struct{})
	s.asked, s.asking, s.cancel = now, comes, cancel
	s.running.Go(func() {
		defer cancel()
		keys, err := s.source.fetch(ctx)
		s.take(keys, err, now)
		close(comes)
	})
}

// take replaces the keys. After an error those that are known stay in use.
func (s *keySet) take(keys []key, err error, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking = nil
	if err == nil && len(keys) == 0 {
		err = errors.New("it has no key that can verify tokens")
	}
	if err != nil {
		s.failed = asked
		s.log.Warn("Keys of the issuer of tokens not read", "issuer", s.source.issuer, "known", len(s.known), "known_since", s.read, "error", err)
		return
	}
	if s.read.IsZero() || len(keys) != len(s.known) {
		s.log.Info("Keys of the issuer of tokens read", "issuer", s.source.issuer, "keys", len(keys))
	}
	s.known, s.read, s.failed = keys, asked, time.Time{}
}

// close asks no more.
func (s *keySet) close() {
	s.mu.Lock()
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
	s.source.client.CloseIdleConnections()
}

// pick returns the keys of an id and algorithm. A token that names no key is verified
// if there is no choice.
func pick(keys []key, id string, algorithm jose.SignatureAlgorithm) []any {
	var found []any
	for _, k := range keys {
		if k.algorithm == algorithm && (id == "" || k.id == id) {
			found = append(found, k.public)
		}
	}
	if id == "" && len(found) > 1 || len(found) > maxSameID {
		return nil
	}
	return found
}
