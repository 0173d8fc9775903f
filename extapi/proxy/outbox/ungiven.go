package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// maxUngiven bounds the idempotency keys that are remembered for being given back.
const maxUngiven = 10_000

// ungiven are idempotency keys for which certainly nothing was signed, and which could not
// be given back, as while the records were out of reach. Who asks again may have them. They
// are forgotten when the process ends, and stay used then.
type ungiven struct {
	mu     sync.Mutex
	values map[string][]byte // of the claims' records, by their keys
}

func (u *ungiven) put(c *claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.values == nil {
		u.values = make(map[string][]byte)
	}
	if len(u.values) < maxUngiven {
		u.values[c.key] = c.value
	}
}

// take returns whether a record is of a claim that was to be given back, once.
func (u *ungiven) take(key string, value []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	left, ok := u.values[key]
	delete(u.values, key) // one that is another by now is not to be given back
	return ok && bytes.Equal(left, value)
}

// free gives a key back for which certainly nothing was signed. If that fails the
// key stays used, which is safe, until the same is asked again here.
func (o *Outbox) free(ctx context.Context, c *claim) {
	if err := o.changeRecords(ctx, rules.Change{Key: c.key, Old: c.value}); err != nil {
		o.log.WarnContext(ctx, "Idempotency key not given back", "error", err)
		o.ungiven.put(c)
		return
	}
	o.claims.Add(-1)
}

// freed reports whether a key's record is of a claim that was to be given back, and gives it
// back now.
func (o *Outbox) freed(ctx context.Context, key string, value []byte) (bool, error) {
	if !o.ungiven.take(key, value) {
		return false, nil
	}
	switch err := o.changeRecords(ctx, rules.Change{Key: key, Old: value}); {
	case errors.Is(err, rules.ErrConflict): // another has it
		return false, errKeyBusy()
	case err != nil:
		o.ungiven.put(&claim{key: key, value: value})
		return false, recordsError{fmt.Errorf("giving an idempotency key back: %w", err)}
	}
	o.claims.Add(-1)
	return true, nil
}
