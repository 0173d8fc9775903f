// Package policysuggest drafts a policy from requests that were signed: what was
// done may be done again, within bounds drawn from it, and nothing else.
//
// A draft is a pure function of the requests and the options: the same log gives
// the same bytes. It is handed out only after it was loaded and each request that
// it is to cover was judged by it, at the time of the request. The package never
// reads a log, a configuration or a clock, and never widens a rule without being
// asked: what no rule can say narrowly is left out, and the draft says so.
package policysuggest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of a draft. What goes beyond is not covered, and said to be so.
const (
	maxRules     = 256
	maxTexts     = 8      // that are listed as they are
	maxCalls     = 64     // different ones within the calls of a rule
	maxTokens    = 8      // that one call may move
	maxAddresses = 20_000 // of all rules

	maxRulesOfOne     = 192 // caller
	maxAddressesOfOne = 15_000

	maxString = 200 // bytes of a caller's text that stands in the draft
	maxSource = 960 << 10

	// DefaultRecipients is how many recipients a rule lists if nothing else is asked
	// for, and MaxRecipients the most that may be asked for.
	DefaultRecipients = 200
	MaxRecipients     = 10_000

	// DefaultMargin and MaxMargin are in percent.
	DefaultMargin = 20
	MaxMargin     = 1000
)

// Observed is a request of a log, and what became of it.
type Observed struct {
	Seq     uint64    // of the entry in the log, for people
	Time    time.Time // of the decision
	Request *rules.Request
	Verdict rules.Verdict
	Outcome rules.Outcome
}

// Source reads the requests from the first, each time that it is called.
type Source func() iter.Seq2[Observed, error]

// Missing is what a log has of requests that can't be told.
type Missing struct {
	Why   string
	Count int
	First uint64 // the entry of the first one
}

// Options of a draft.
type Options struct {
	Margin     int  // percent, upon all that was seen
	Recipients int  // that a rule lists at most; 0: DefaultRecipients
	Open       bool // rules that would list more leave open who is paid or called

	// ChainName returns a name for a chain, "" if it knows none; nil knows none.
	ChainName func(id uint64) string

	// KnownMethod tells whether a method, by its signature, is known by another source
	// than who calls it; nil knows none.
	KnownMethod func(signature string) bool

	// Missing returns what the source could not tell, once it was read; nil: nothing.
	Missing func() []Missing
}

// Draft is a policy that covers what was signed.
type Draft struct {
	Source []byte // of the policy

	Rules    int
	Covered  int       // requests that the policy approves
	Others   []Missing // requests that were signed and that no rule covers, by why
	LeftOut  []Missing // requests that were not approved, or not signed, by what became of them
	Unread   []Missing // requests that the source could not tell
	From, To uint64    // the entries of the first and the last request
}

// ErrNothing is the error of a log that nothing can be drafted from.
var ErrNothing = errors.New("no request that was approved and signed can be covered by a rule")

// Make drafts a policy. The error is a [*CheckError] if the draft does not
// approve what it was drawn from.
func Make(ctx context.Context, read Source, options Options) (*Draft, error) {
	if options.Margin < 0 || options.Margin > MaxMargin {
		return nil, fmt.Errorf("a margin of %d %% is not from 0 to %d", options.Margin, MaxMargin)
	}
	if options.Recipients == 0 {
		options.Recipients = DefaultRecipients
	}
	if options.Recipients < 1 || options.Recipients > MaxRecipients {
		return nil, fmt.Errorf("%d recipients of a rule are not from 1 to %d", options.Recipients, MaxRecipients)
	}
	c := newCollector(&options)
	for one, err := range read() {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("drafting a policy: %w", err)
		}
		if err := c.add(ctx, &one); err != nil {
			return nil, err
		}
	}
	c.settle()
	return c.checked(ctx, read)
}

// maxDrafts bounds how often a draft is made anew, without the groups whose requests
// the one before does not approve. Each needs the log to be read again.
const maxDrafts = 8

// checked makes a draft that approves what it covers.
func (c *collector) checked(ctx context.Context, read Source) (draft *Draft, err error) {
	for range maxDrafts {
		draft = newDrafter(c).draft()
		if draft.Rules == 0 {
			return draft, ErrNothing
		}
		err = c.check(ctx, read, draft)
		var refused *CheckError
		if !errors.As(err, &refused) {
			return draft, err
		}
	}
	return draft, err
}
