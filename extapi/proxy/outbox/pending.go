package outbox

import "time"

// Pending returns how many transactions are under way, and when the oldest of them was
// signed; the zero time if there is none.
func (o *Outbox) Pending() (pending int, oldest time.Time) { return o.book.pending() }

func (b *book) pending() (pending int, oldest time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if !e.state.InFlight() {
			continue
		}
		pending++
		if oldest.IsZero() || e.kept.Before(oldest) {
			oldest = e.kept
		}
	}
	return pending, oldest
}
