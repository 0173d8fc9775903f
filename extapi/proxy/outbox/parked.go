package outbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// Bounds of the drafts that wait for people.
const (
	maxParked      = 1024
	maxParkedBytes = 64 << 10 // of call data and blobs of one
	parkedFor      = 24 * time.Hour
)

// parked are drafts that people are asked about. What kvclef fills in is part of
// what they approve: a request that is made again gets the same, as long as its
// nonce is the next one. They are forgotten when the process ends.
type parked struct {
	now func() time.Time

	mu     sync.Mutex
	drafts map[asked]waiting
}

// asked is a request as its caller made it.
type asked struct{ principal, request string }

// waiting is a draft that waits for people.
type waiting struct {
	draft *draft
	nonce uint64
	until time.Time
}

// find returns the draft of a request that was made before, with its nonce; nil if
// there is none.
func (p *parked) find(of asked) (*draft, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.drafts[of]
	if !ok || p.now().After(w.until) {
		delete(p.drafts, of)
		return nil, 0
	}
	return w.draft, w.nonce
}

// put keeps a draft, if there is room for it.
func (p *parked) put(d *draft, nonce uint64) {
	if d.asked == (asked{}) || payload(&d.tx) > maxParkedBytes {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for of, w := range p.drafts {
		if now.After(w.until) {
			delete(p.drafts, of)
		}
	}
	if _, there := p.drafts[d.asked]; there || len(p.drafts) < maxParked {
		p.drafts[d.asked] = waiting{d, nonce, now.Add(parkedFor)}
	}
}

// drop forgets a draft.
func (p *parked) drop(d *draft) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.drafts, d.asked)
}

// draftOf fills in what a request leaves out, or returns what people are asked about
// already.
func (o *Outbox) draftOf(ctx context.Context, given *extapi.PartialTransaction) (*draft, error) {
	request, err := requestHash(given)
	if err != nil {
		return nil, err
	}
	of := asked{extapi.PrincipalOf(ctx), request}
	if d, nonce := o.parked.find(of); d != nil {
		l := o.book.lane(laneID{d.chain.String(), d.from()})
		if given.HasNonce || l.told.Load() == nonce || o.book.waitsFor(l, nonce) {
			return d, nil
		}
		o.parked.drop(d)
	}
	d, err := o.fill(ctx, given)
	if err == nil {
		d.asked = of
	}
	return d, err
}

// judged keeps a draft that people are asked about, and forgets one that is signed.
func (o *Outbox) judged(d *draft, nonce uint64, err error) {
	var ticket interface{ Ticket() string }
	switch {
	case err == nil:
		o.parked.drop(d)
	case errors.As(err, &ticket) && ticket.Ticket() != "":
		o.parked.put(d, nonce)
	}
}
