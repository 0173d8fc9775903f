// Package callers keeps each caller within its bounds, so that no one's requests
// are at the expense of another's: how many it may ask in a second, how many may be
// under way, and how much work its authorizations and blobs may be.
//
// It knows callers by the names that they are given here, and never who they are
// nor what they ask. Nobody waits here: who is over a bound is told so at once, and
// when to come back.
package callers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are the bounds of one caller. A zero value is no bound.
type Limits struct {
	Rate     float64 // requests per second
	Burst    int     // requests at once beyond the rate; less than one is one
	InFlight int     // requests that are not answered yet
	Weight   int     // turns in a round where callers wait; less than one is one
}

// Config says who has which bounds.
type Config struct {
	Default Limits
	Named   map[string]Limits // by the principal

	// Places are for the requests under way of all callers together. A caller may have
	// as many as there are left, times its weight: one alone has half of them, two come
	// to have a third each, and so on, so that some are left for who comes next. 0 is no
	// bound.
	Places int
}

// Work that a caller's authorizations and blobs may be, in time of one processor.
const (
	WorkAtOnce = time.Second
	WorkRate   = time.Second / 2 // in a second
)

// maxKnown is how many callers are told apart. Names come from certificates and
// tokens: whoever issues those without end must not fill the memory.
const maxKnown = 4096

// Desk lets requests in. It is safe for concurrent use.
type Desk struct {
	cfg Config
	now func() time.Time

	mu     sync.Mutex
	inside int // requests under way, of all
	known  map[string]*caller
	others *caller // all that are too many; nil: none are
	swept  time.Time
}

// New returns a desk where nobody has asked yet.
func New(cfg Config) *Desk {
	return &Desk{cfg: cfg, now: time.Now, known: make(map[string]*caller)}
}

// caller is what one caller has used of its bounds.
type caller struct {
	limits   Limits
	requests *rate.Limiter // nil: no bound
	work     float64       // seconds that are left; negative: was too much
	worked   time.Time     // when that was so
	inFlight int
	seen     time.Time
}

// Visit is a request that was let in. A nil visit is one of nobody, and has no
// bounds.
type Visit struct {
	desk *Desk
	of   *caller
}

// Enter lets in a request of a caller, until Leave. The principal is whose bounds
// apply; the name, by which requests are counted, may tell apart what has one. The
// error is a [*BusyError].
func (d *Desk) Enter(name, principal string) (*Visit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	of := d.find(name, principal, now)
	of.seen = now
	if limit := of.limits.InFlight; limit > 0 && of.inFlight >= limit {
		return nil, &BusyError{Text: tooManyUnderWay(limit), After: time.Second}
	}
	if d.cfg.Places > 0 && of.inFlight >= (d.cfg.Places-d.inside)*max(of.limits.Weight, 1) {
		return nil, &BusyError{Text: tooManyTogether(of.inFlight), After: time.Second}
	}
	if of.requests != nil {
		turn := of.requests.ReserveN(now, 1)
		if wait := turn.DelayFrom(now); wait > 0 {
			turn.CancelAt(now)
			return nil, &BusyError{Text: tooManyRequests(of.limits.Rate), After: wait}
		}
	}
	of.inFlight++
	d.inside++
	return &Visit{desk: d, of: of}, nil
}

// find returns what is known of a caller.
func (d *Desk) find(name, principal string, now time.Time) *caller {
	if of := d.known[name]; of != nil {
		return of
	}
	limits, named := d.cfg.Named[principal]
	if !named {
		limits = d.cfg.Default
		if len(d.known) >= maxKnown && !d.forget(now) {
			if d.others == nil {
				d.others = newCaller(limits, now)
			}
			return d.others
		}
	} // who is named has its bounds, however many there are: the configuration names so many
	of := newCaller(limits, now)
	d.known[name] = of
	return of
}

// idle is how long a caller has to be away before it is forgotten.
const idle = time.Minute

// forget forgets those who have been away. It is false if nobody has.
func (d *Desk) forget(now time.Time) bool {
	if now.Sub(d.swept) < time.Second {
		return false
	}
	d.swept = now
	for name, of := range d.known {
		if of.inFlight == 0 && now.Sub(of.seen) >= idle {
			delete(d.known, name)
		}
	}
	return len(d.known) < maxKnown
}

func newCaller(limits Limits, now time.Time) *caller {
	of := &caller{limits: limits, work: WorkAtOnce.Seconds(), worked: now}
	if limits.Rate > 0 {
		of.requests = rate.NewLimiter(rate.Limit(limits.Rate), max(limits.Burst, 1))
	}
	return of
}

// Leave ends the visit. It is called once.
func (v *Visit) Leave() {
	if v == nil {
		return
	}
	v.desk.mu.Lock()
	defer v.desk.mu.Unlock()
	v.of.inFlight--
	v.desk.inside--
}

// Weight is how many turns the caller has in a round.
func (v *Visit) Weight() int {
	if v == nil {
		return 1
	}
	return max(v.of.limits.Weight, 1)
}

// Work counts work that is about to be done for the caller. Once it has had too
// much, none is done until that has been made up for: the error is a [*BusyError].
// One request may be as much as it is.
func (v *Visit) Work(work time.Duration) error {
	if v == nil || work <= 0 {
		return nil
	}
	v.desk.mu.Lock()
	defer v.desk.mu.Unlock()
	now := v.desk.now()
	v.of.work = min(WorkAtOnce.Seconds(), v.of.work+now.Sub(v.of.worked).Seconds()*WorkRate.Seconds())
	v.of.worked = now
	if v.of.work <= 0 {
		return &BusyError{Text: tooMuchWork, After: time.Duration(-v.of.work/WorkRate.Seconds()*float64(time.Second)) + 10*time.Millisecond}
	}
	v.of.work -= work.Seconds()
	return nil
}
