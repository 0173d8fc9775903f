package extapi

import (
	"context"
	"net"
	"sync"
	"time"
)

// Messages above smallBody bytes, such as blob transactions, are read a few at a time, so
// that memory doesn't grow with the number of connections. Of the places for them
// one caller has a part at most, where callers are told apart.
const (
	smallBody      = 64 << 10
	maxLargeBodies = 16
	largeShare     = maxLargeBodies / 4
)

// largePlaces are the places of a listener for messages above a size. A message has one
// from before it is read further until it is answered.
type largePlaces struct {
	above  int64 // bytes
	share  int   // of one principal
	places chan struct{}

	mu    sync.Mutex
	parts map[string]*largePart // of principals that have a place, or wait for one
}

// largePart is what a principal has of the places.
type largePart struct {
	places chan struct{}
	users  int // messages that have one or wait
}

// newLargePlaces returns places. Where callers are told apart none can have all.
func newLargePlaces(above int64, apart bool) *largePlaces {
	return placesOf(above, maxLargeBodies, apart)
}

func placesOf(above int64, count int, apart bool) *largePlaces {
	share := count
	if apart {
		share /= maxLargeBodies / largeShare
	}
	return &largePlaces{above: above, share: share, places: make(chan struct{}, count), parts: make(map[string]*largePart)}
}

// LargePlaces are places for large messages and the like, for a listener of another package. A
// message is to have one from when so much of it has come that it is large until it is answered.
type LargePlaces struct{ of *largePlaces }

// NewLargePlaces returns places. Where callers are told apart none can have more than a
// quarter.
func NewLargePlaces(count int, apart bool) *LargePlaces {
	return &LargePlaces{placesOf(0, count, apart)}
}

// Enter waits for a place, as long as the caller is there. The error is [os.ErrDeadlineExceeded]
// if none was free in time.
func (l *LargePlaces) Enter(ctx context.Context, principal string, patience time.Duration) error {
	return l.of.enter(principal, patience, ctx.Done())
}

// Leave gives a place back.
func (l *LargePlaces) Leave(principal string) { l.of.leave(principal) }

// enter waits for a place, as long as reading may take or the caller is there.
func (l *largePlaces) enter(principal string, patience time.Duration, gone <-chan struct{}) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	part := l.part(principal)
	if err := takePlace(part.places, timer.C, gone); err != nil {
		l.release(principal, part)
		return err
	}
	if err := takePlace(l.places, timer.C, gone); err != nil {
		<-part.places
		l.release(principal, part)
		return err
	}
	return nil
}

// leave gives a place back.
func (l *largePlaces) leave(principal string) {
	<-l.places
	l.mu.Lock()
	part := l.parts[principal]
	l.mu.Unlock()
	<-part.places
	l.release(principal, part)
}

func takePlace(places chan<- struct{}, late <-chan time.Time, gone <-chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-late:
		return errWaited
	case <-gone:
		return net.ErrClosed
	}
}

func (l *largePlaces) part(principal string) *largePart {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.parts[principal]
	if part == nil {
		part = &largePart{places: make(chan struct{}, l.share)}
		l.parts[principal] = part
	}
	part.users++
	return part
}

func (l *largePlaces) release(principal string, part *largePart) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if part.users--; part.users == 0 {
		delete(l.parts, principal)
	}
}
