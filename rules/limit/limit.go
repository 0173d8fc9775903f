// Package limit says what a request counts against limits. It is arithmetic
// alone: it keeps no totals, reads no clock, and never rounds. The totals are
// kept by a [rules.Ledger].
package limit

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Measure is what a limit counts.
type Measure string

// The measures. Amounts are in wei, in the smallest unit of a token, in the
// argument's own unit, or signatures.
const (
	// Value is the wei that leave the account: of the transaction, and of calls
	// within it that the account makes itself. A Safe transaction counts what leaves
	// the Safe.
	Value Measure = "value"

	// GasCost is the worst case of gas and blobs, in wei. A Safe transaction counts
	// the refund, if that is in ether.
	GasCost Measure = "gas_cost"

	Spend Measure = "spend" // both

	// Amount is what of a token leaves the account, or may be taken from it: an
	// approval and a permit count in full, and one without a limit exceeds all but
	// the largest maximum. For a Safe transaction the account is the Safe. A limit on
	// every token counts 1 for each token of a collection (ERC-721): ids are no
	// amounts.
	Amount Measure = "amount"

	// Argument is a number in calls of a method, at whatever depth, by whomever: the
	// sum of all.
	Argument Measure = "argument"

	Signatures Measure = "signatures" // different digests, of each account
)

func measures() []Measure { return []Measure{Value, GasCost, Spend, Amount, Argument, Signatures} }

// Per is what has a total of its own.
type Per string

// What a limit can be kept apart for.
const (
	PerAccount Per = "account" // that signs

	// PerRecipient is who gets or may take the tokens, or the value: each is charged
	// with its own sum, also with wei that a call within the transaction passes on.
	// Gas counts for who is called first, and a signature for each recipient of
	// tokens, or who is called first if there are none.
	PerRecipient Per = "recipient"

	PerPrincipal Per = "principal"
	PerChain     Per = "chain"
	PerToken     Per = "token"    // of Amount
	PerArgument  Per = "argument" // of calls of a method; not of Argument
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
	Tokens   []Token         // what is known of tokens, for a limit on every one
	Method   string          // of Argument and PerArgument: the method's signature
	Argument string          // its place, from 0
	Shown    string          // the maximum and window as the policy spells them, for people

	prepared *prepared
}

// Token is a token of which it is known what the numbers in its calls are. Call
// data of ERC-721 looks like that of ERC-20: the number of a token that is not
// known counts as an amount, and as 1 where it is 0, since it may be an id.
type Token struct {
	Chain      uint64
	Address    common.Address
	Collection bool // of tokens with ids (ERC-721)
}
