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

// enterLarge waits until the rest of a large message may be read. The time of
// waiting is not the caller's; from here on he has the read timeout, so that a
// slow one can't keep the place.
func (c *ipcConn) enterLarge() error {
	if !c.flight.enter(largeFlight) {
		return net.ErrClosed
	}
	if err := c.large.enter(c.principal, c.cfg.ReadTimeout, c.flight.done); err != nil {
		c.flight.leave(largeFlight)
		return err
	}
	c.entered = true
	c.setReadDeadline(time.Now().Add(c.cfg.ReadTimeout))
	return nil
}

// leaveLarge gives the place of a large message back.
func (c *ipcConn) leaveLarge() {
	c.large.leave(c.principal)
	c.flight.leave(largeFlight)
}

// giveUp is for a message of which nothing runs.
func (c *ipcConn) giveUp() {
	if c.entered {
		c.entered = false
		c.leaveLarge()
	}
}
