package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"sync"
	"time"
)

// Bounds of sessions: the oldest make room.
const (
	maxSessions  = 1000
	maxPerPerson = 20
)

// Ways in which a person was known, for the record.
const (
	wayPasskey = "passkey"
	wayOIDC    = "oidc"
)

// session is of a person in one browser.
type session struct {
	person  string
	way     string
	token   string // that every form has
	browser string // that passkeys know the browser by
	began   time.Time
	ended   chan struct{} // closed when it ends

	seen time.Time // guarded by the lock of all
}

// holds reports whether a form's token is the session's.
func (s *session) holds(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

// sessions are those of all people, in memory alone. A cookie holds 256 random bits,
// of which only the hash is kept.
type sessions struct {
	idle, lifetime time.Duration
	clock          func() time.Time

	mu     sync.Mutex
	open   map[[sha256.Size]byte]*session
	closed bool
}

func newSessions(idle, lifetime time.Duration, clock func() time.Time) *sessions {
	return &sessions{idle: idle, lifetime: lifetime, clock: clock, open: make(map[[sha256.Size]byte]*session)}
}

// secret returns 256 random bits as text.
func secret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// begin begins a session, and returns what its cookie holds; "" when all have ended.
func (s *sessions) begin(person, way string) string {
	cookie, now := secret(), s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ""
	}
	s.makeRoom(person, now)
	s.open[sha256.Sum256([]byte(cookie))] = &session{
		person: person, way: way, token: secret(), browser: secret(), began: now, seen: now, ended: make(chan struct{}),
	}
	return cookie
}

// makeRoom ends what is over, and the oldest where there are too many. The lock is
// the caller's.
func (s *sessions) makeRoom(person string, now time.Time) {
	type aged struct {
		key [sha256.Size]byte
		of  *session
	}
	var all, own []aged
	for key, of := range s.open {
		switch {
		case s.over(of, now):
			s.end(key)
			continue
		case of.person == person:
			own = append(own, aged{key, of})
		}
		all = append(all, aged{key, of})
	}
	for _, group := range []struct {
		of   []aged
		most int
	}{{own, maxPerPerson}, {all, maxSessions}} {
		if len(group.of) < group.most {
			continue
		}
		oldest := slices.MinFunc(group.of, func(a, b aged) int { return a.of.seen.Compare(b.of.seen) })
		s.end(oldest.key)
	}
}

// over reports whether the time of a session is over.
func (s *sessions) over(of *session, now time.Time) bool {
	return now.Sub(of.seen) >= s.idle || now.Sub(of.began) >= s.lifetime
}

// end ends a session. The lock is the caller's.
func (s *sessions) end(key [sha256.Size]byte) {
	if of, there := s.open[key]; there {
		delete(s.open, key)
		close(of.ended)
	}
}

// find returns the session of a cookie, nil if there is none. A page keeps it from
// being idle; a stream does not.
func (s *sessions) find(cookie string, page bool) *session {
	if cookie == "" {
		return nil
	}
	key := sha256.Sum256([]byte(cookie))
	s.mu.Lock()
	defer s.mu.Unlock()
	of, now := s.open[key], s.clock()
	switch {
	case of == nil:
		return nil
	case s.over(of, now):
		s.end(key)
		return nil
	}
	if page {
		of.seen = now
	}
	return of
}

// drop ends the session of a cookie.
func (s *sessions) drop(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(sha256.Sum256([]byte(cookie)))
}

// dropOthers ends the sessions of a person but for one.
func (s *sessions) dropOthers(keep *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, of := range s.open {
		if of.person == keep.person && of != keep {
			s.end(key)
		}
	}
}

// dropAll ends the sessions of a person.
func (s *sessions) dropAll(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, of := range s.open {
		if of.person == person {
			s.end(key)
		}
	}
}

// close ends all, and lets none begin.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for key := range s.open {
		s.end(key)
	}
}
