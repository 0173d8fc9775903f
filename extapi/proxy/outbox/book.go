package outbox

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// entry is a transaction that is still followed, without its bytes.
type entry struct {
	key     string // of its record
	lane    *lane
	nonce   uint64
	hash    common.Hash
	kept    time.Time
	since   time.Time // when this process heard of it, by its own clock
	state   State     // unsure, sent, mined or replaced
	block   *Block
	refusal *Refusal // what a node had against it last
	bytes   int      // of the raw transaction

	posting bool          // it is being sent for the first time
	due     time.Time     // when it is looked for, if it is in flight
	base    time.Duration // before it is looked for the second time
	wait    time.Duration // before it is looked for again
	misses  int           // how often in a row the chain said otherwise
	missed  time.Time     // when it first did
	settles uint64        // block at which a replaced one is given up; 0: not known

	settlesAt time.Time // before which it is not
}

// book knows all transactions that are followed, and all lanes.
type book struct {
	now func() time.Time

	mu       sync.Mutex
	lanes    map[laneID]*lane
	entries  map[common.Hash]*entry
	inFlight int
	bytes    int64 // of the records of all entries
}

func newBook(now func() time.Time) *book {
	return &book{now: now, lanes: make(map[laneID]*lane), entries: make(map[common.Hash]*entry)}
}

// lane returns an account's lane.
func (b *book) lane(id laneID) *lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.lanes[id]
	if found == nil {
		found = newLane(id)
		b.lanes[id] = found
	}
	return found
}

// all returns the lanes, in order.
func (b *book) all() []*lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	lanes := make([]*lane, 0, len(b.lanes))
	for _, l := range b.lanes {
		lanes = append(lanes, l)
	}
	slices.SortFunc(lanes, func(x, y *lane) int {
		return cmp.Or(cmp.Compare(len(x.id.chain), len(y.id.chain)), cmp.Compare(x.id.chain, y.id.chain), x.id.account.Cmp(y.id.account))
	})
	return lanes
}

// follow adds a transaction that is kept. While it is being posted for the first
// time it is not looked for.
func (b *book) follow(l *lane, r *record, posting bool, due time.Time, wait time.Duration) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.now()
	if before := b.entries[r.Hash]; before != nil {
		since = before.since
	}
	b.remove(r.Hash)
	e := &entry{
		key: r.key(), lane: l, nonce: r.Nonce, hash: r.Hash, kept: r.Kept, since: since, state: r.State, block: r.Block, refusal: r.Refusal,
		bytes: len(r.Bytes), posting: posting, due: due, base: wait, wait: wait,
	}
	b.entries[e.hash] = e
	l.entries[e.nonce] = append(l.entries[e.nonce], e)
	b.bytes += int64(e.bytes)
	l.bytes += int64(e.bytes)
	b.count(e, +1)
	return e
}

// heard notes what a node said of a transaction in flight, nil being nothing
// against it, and when it is looked for next.
func (b *book) heard(e *entry, state State, node *nodeError, due time.Time) {
	b.change(e, func(e *entry) {
		if !e.state.InFlight() { // it is mined already
			return
		}
		e.state, e.due, e.refusal = state, due, nil
		if node != nil {
			e.refusal = node.brief()
		}
	})
}

// posted ends the first sending of a transaction: from here on it is looked for.
func (b *book) posted(e *entry) { b.change(e, func(e *entry) { e.posting = false }) }

// drop ends the following of a transaction.
func (b *book) drop(hash common.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(hash)
}

func (b *book) remove(hash common.Hash) {
	e := b.entries[hash]
	if e == nil {
		return
	}
	delete(b.entries, hash)
	l := e.lane
	l.entries[e.nonce] = slices.DeleteFunc(l.entries[e.nonce], func(other *entry) bool { return other == e })
	if len(l.entries[e.nonce]) == 0 {
		delete(l.entries, e.nonce)
	}
	b.bytes -= int64(e.bytes)
	l.bytes -= int64(e.bytes)
	b.count(e, -1)
}

// count adds a transaction to those in flight, or takes it away.
func (b *book) count(e *entry, by int) {
	if e.state.InFlight() {
		b.inFlight += by
		e.lane.inFlight += by
	}
}

// change changes a transaction that is followed, also its state.
func (b *book) change(e *entry, do func(*entry)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries[e.hash] != e {
		return
	}
	b.count(e, -1)
	do(e)
	b.count(e, +1)
}

// find returns a copy of what is followed under a hash.
func (b *book) find(hash common.Hash) (entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[hash]; e != nil {
		return *e, true
	}
	return entry{}, false
}

// load returns how much is under way.
func (b *book) load() (inFlight int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inFlight, b.bytes
}

// loadOf returns how much of a lane is under way.
func (b *book) loadOf(l *lane) (inFlight int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.inFlight, l.bytes
}

// versionsAt returns how many transactions with a nonce are under way.
func (b *book) versionsAt(l *lane, nonce uint64) (versions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range l.entries[nonce] {
		if e.state.InFlight() {
			versions++
		}
	}
	return versions
}

// after returns the time at which a new transaction with a nonce is kept: now, and
// after all others with it, also if the clock went back.
func (b *book) after(l *lane, nonce uint64, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range l.entries[nonce] {
		if !now.After(e.kept) {
			now = e.kept.Add(1)
		}
	}
	return now
}

// taken reports whether a transaction of the lane that is followed has a nonce.
func (b *book) taken(l *lane, nonce uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(l.entries[nonce]) > 0
}

// idle reports whether nothing of the lane is in flight.
func (b *book) idle(l *lane) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.inFlight == 0
}
