package limit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Standing is how much room one total of a limit has.
type Standing struct {
	rules.Usage

	Charge rules.Charge // what would be counted, with the maximum and the window
}

// Standings tells how the totals stand that charges would count for. It reads
// alone.
func Standings(ctx context.Context, meter rules.Meter, charges []rules.Charge) ([]Standing, error) {
	standings := make([]Standing, len(charges))
	for i := range charges {
		usage, err := meter.Usage(ctx, charges[i].Counter)
		if err != nil {
			return nil, fmt.Errorf("reading the counter %s: %w", charges[i].Counter, err)
		}
		standings[i] = Standing{Usage: usage, Charge: charges[i]}
	}
	return standings, nil
}

// Free is what may still be counted: 0 if more is used than the maximum, which may
// have been lowered.
func (s *Standing) Free() uint256.Int {
	if s.Charge.Cap.Lt(&s.Used) {
		return uint256.Int{}
	}
	return *new(uint256.Int).Sub(&s.Charge.Cap, &s.Used)
}

// String tells it in one line. It is not for callers.
func (s *Standing) String() string {
	counter, free := ParseCounter(s.Charge.Counter), s.Free()
	text := "limit " + counter.Limit
	if len(counter.Per) > 0 {
		text += " (" + strings.Join(counter.Per, ", ") + ")"
	}
	text += fmt.Sprintf(": %s used, of that %s held, of at most %s in %s; %s free",
		s.Used.Dec(), s.Held.Dec(), s.Charge.Cap.Dec(), s.Charge.Window, free.Dec())
	if !s.Next.IsZero() {
		text += ", more from " + s.Next.UTC().Format(time.RFC3339)
	}
	return text
}
