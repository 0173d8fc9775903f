// Package limit says what a request counts against limits. It is arithmetic
// alone: it keeps no totals, reads no clock, and never rounds. The totals are
// kept by a [rules.Ledger].
package limit

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// Measure is what a limit counts.
type Measure string

// The measures. Amounts are in wei, in the smallest unit of a token, in the
// argument's own unit, or signatures.
const (
	Value      Measure = "value"      // wei sent along, by the transaction and the calls in it
	GasCost    Measure = "gas_cost"   // the worst case of gas and blobs, in wei
	Spend      Measure = "spend"      // both
	Amount     Measure = "amount"     // of Token that leaves the account, or may be taken from it
	Argument   Measure = "argument"   // of a decoded call
	Signatures Measure = "signatures" // different digests
)

// Per is what has a total of its own.
type Per string

// What a limit can be kept apart for.
const (
	PerAccount   Per = "account"
	PerRecipient Per = "recipient" // of the tokens, or of the value
	PerPrincipal Per = "principal"
	PerChain     Per = "chain"
	PerToken     Per = "token"
	PerArgument  Per = "argument"
)

// Limit is a total that may not be passed within any window of its length.
type Limit struct {
	ID      string // unique in the policy: counters are named by it, and keep their totals when the policy changes
	Measure Measure
	Max     uint256.Int
	Window  time.Duration // rolling
	Per     []Per         // empty: one total

	Token    *common.Address // of Amount; nil: every token by itself
	Chain    uint64          // the token's chain; 0: any
	Method   string          // of Argument: the method's signature
	Argument string          // of Argument and PerArgument: its name or its place, from 0
	Shown    string          // the maximum and window as the policy spells them, for people
}

// Charges returns what a request counts against a limit: nothing, or one charge
// for each total. The error says that it can't be measured, and then nothing may
// be signed.
//
// The slot of the charges is the transaction's place, so that its replacement
// counts once: chain, account and nonce. What has no nonce is its own place: the
// digest.
func (l *Limit) Charges(f *facts.Facts) ([]rules.Charge, error) {
	_ = f
	return nil, nil
}
