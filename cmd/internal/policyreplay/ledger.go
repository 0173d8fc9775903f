package policyreplay

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// Use is how a limit stood when most was used of it.
type Use struct {
	Limit  string       `json:"limit"`
	Per    string       `json:"per,omitempty"` // whom it counted for
	Max    *uint256.Int `json:"max"`
	Window string       `json:"window"` // for people

	Used uint256.Int `json:"used"`
	Seq  uint64      `json:"seq,omitempty"` // of the entry with which so much was used; 0: nothing ever was
	Time time.Time   `json:"time,omitzero"`

	Exceeded int    `json:"exceeded"`                 // how many requests would have passed it
	First    uint64 `json:"first_exceeded,omitempty"` // the number of the first one's entry

	Of limit.Limit `json:"-"`
}

// ledger counts in memory, and remembers the most that was used of each limit.
type ledger struct {
	*memory.Ledger

	uses map[string]*Use // by the limit's id and measure
	at   *requestlog.Entry
	over string // the limit that the request would pass; "" if none
}

func newLedger(counting *memory.Ledger) *ledger {
	return &ledger{Ledger: counting, uses: make(map[string]*Use)}
}

// enter begins a request.
func (l *ledger) enter(entry *requestlog.Entry) { l.at, l.over = entry, "" }

// Hold counts, and notes how the limits stand.
func (l *ledger) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	id, err := l.Ledger.Hold(ctx, charges)
	var over *rules.OverLimitError
	if errors.As(err, &over) {
		use := l.use(over.Charge.Counter)
		if l.over == "" {
			use.Exceeded++
		}
		if l.over = over.Name(); use.First == 0 {
			use.First = l.at.Seq
		}
	}
	if err != nil || l.over != "" { // with people's consent it is counted in passing
		return id, err
	}
	for i := range charges {
		use, total := l.use(charges[i].Counter), l.Total(charges[i].Counter)
		if use.Seq == 0 || total.Gt(&use.Used) {
			use.Used, use.Seq, use.Time = total, l.at.Seq, l.at.Time
			use.Per = strings.Join(limit.ParseCounter(charges[i].Counter).Per, " ")
		}
	}
	return id, nil
}

// use returns what is known of a counter's limit.
func (l *ledger) use(counter string) *Use {
	named := limit.ParseCounter(counter)
	key := named.Limit + "/" + string(named.Measure)
	if l.uses[key] == nil {
		l.uses[key] = new(Use)
	}
	return l.uses[key]
}

// Limits returns how each limit and budget of the policy stood, in the order of
// the policy.
func (s *Side) Limits() []Use {
	limits := s.policy.Limits()
	uses := make([]Use, len(limits))
	for i := range limits {
		of := &limits[i]
		if use := s.ledger.uses[of.ID+"/"+string(of.Measure)]; use != nil {
			uses[i] = *use
		}
		uses[i].Limit, uses[i].Max, uses[i].Window, uses[i].Of = of.ID, of.Max.Clone(), of.Window.String(), *of
	}
	return uses
}
