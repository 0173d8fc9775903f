package extapi

import (
	"net"
	"time"
)

// Bounds of what one connection has asked and not been answered, in bytes. A
// message above smallBody counts largeFlight, whatever its size, so that one
// connection can't take all the places of large messages.
const (
	maxFlightBytes = 2 << 20
	largeFlight    = maxFlightBytes / 4
)

// largePlaces are the places of all IPC connections for messages above a size.
// A message has one from before it is read further until it is answered, so
// that memory doesn't grow with the number of connections.
type largePlaces struct {
	above  int64 // bytes
	places chan struct{}
}

func newLargePlaces(above int64) *largePlaces {
	return &largePlaces{above: above, places: make(chan struct{}, maxLargeBodies)}
}

// enter waits for a place, as long as reading may take or the caller is there.
func (l *largePlaces) enter(patience time.Duration, gone <-chan struct{}) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case l.places <- struct{}{}:
		return nil
	case <-timer.C:
		return errWaited
	case <-gone:
		return net.ErrClosed
	}
}

func (l *largePlaces) leave() { <-l.places }

// enterLarge waits until the rest of a large message may be read. The time of
// waiting is not the caller's; from here on he has the read timeout, so that a
// slow one can't keep the place.
func (c *ipcConn) enterLarge() error {
	if !c.flight.enter(largeFlight) {
		return net.ErrClosed
	}
	if err := c.large.enter(c.cfg.ReadTimeout, c.flight.done); err != nil {
		c.flight.leave(largeFlight)
		return err
	}
	c.entered = true
	c.setReadDeadline(time.Now().Add(c.cfg.ReadTimeout))
	return nil
}

// leaveLarge gives the place of a large message back.
func (c *ipcConn) leaveLarge() {
	c.large.leave()
	c.flight.leave(largeFlight)
}

// giveUp is for a message of which nothing runs.
func (c *ipcConn) giveUp() {
	if c.entered {
		c.entered = false
		c.leaveLarge()
	}
}
