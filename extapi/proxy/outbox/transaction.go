package outbox

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// State is where a transaction is. The zero state is none.
type State string

// The states. A transaction begins as unsure: it is kept, and may have been sent.
const (
	StateUnsure   State = "unsure"   // under way, but no node has said that it knows it
	StateSent     State = "sent"     // a node took it
	StateMined    State = "mined"    // in a block, which a reorganisation may still take back
	StateFinal    State = "final"    // in a block that is deep enough
	StateReplaced State = "replaced" // its nonce is used by another transaction
	StateRejected State = "rejected" // a node refused it, and its sender was told so
)

// InFlight reports whether a transaction is still to be mined.
func (s State) InFlight() bool { return s == StateUnsure || s == StateSent }

// Transaction is one that was signed and kept, as a listing shows it.
type Transaction struct {
	Chain   *big.Int        `json:"chain"`
	Account common.Address  `json:"account"`
	Nonce   uint64          `json:"nonce"`
	Hash    common.Hash     `json:"hash"`
	State   State           `json:"state"`
	To      *common.Address `json:"to,omitempty"` // nil: creation
	Value   *big.Int        `json:"value"`        // wei
	Gas     uint64          `json:"gas"`
	FeeCap  *big.Int        `json:"fee_cap"` // wei per gas: maxFeePerGas or gasPrice
	TipCap  *big.Int        `json:"tip_cap"` // wei per gas: maxPriorityFeePerGas or gasPrice
	Filled  []string        `json:"filled,omitempty"`
	Keyed   bool            `json:"keyed,omitempty"` // it came with an idempotency key

	Kept       time.Time    `json:"kept"`                  // when it was signed and kept
	Changed    time.Time    `json:"changed,omitzero"`      // when it came to its state
	Block      *Block       `json:"block,omitempty"`       // where it is mined
	Refusal    *Refusal     `json:"refusal,omitempty"`     // what a node last had against it
	Replaces   *common.Hash `json:"replaces,omitempty"`    // the one that it was made to replace
	ReplacedBy *common.Hash `json:"replaced_by,omitempty"` // the one that was made to replace it, or that did

	Raw hexutil.Bytes `json:"raw,omitempty"` // EIP-2718, with blobs; only of one that is shown
}

// Block is where a transaction was mined.
type Block struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
	Failed bool        `json:"failed,omitempty"` // it was executed, and reverted
}

// Refusal is a node's error.
type Refusal struct {
	Code int    `json:"code"`
	Text string `json:"text"`
	Data string `json:"data,omitempty"` // JSON, as the node gave it
}

// Lane is an account's sequence of nonces on a chain.
type Lane struct {
	Chain    *big.Int       `json:"chain"`
	Account  common.Address `json:"account"`
	Next     uint64         `json:"next"`              // the nonce of the next transaction
	InFlight int            `json:"in_flight"`         // transactions under way
	Missing  *uint64        `json:"missing,omitempty"` // a nonce that nothing has, below some that are under way, which wait for it, or below the next
}

// Filter chooses transactions. Its zero value chooses all.
type Filter struct {
	Chain    *big.Int        // nil: every chain
	Account  *common.Address // nil: every account
	InFlight bool            // only those under way
	Limit    int             // at most so many, the newest nonces of every account; 0: 1,000
}

// Listing is what List answers.
type Listing struct {
	Transactions []Transaction `json:"transactions"` // by chain, account, nonce
	Lanes        []Lane        `json:"lanes"`
	More         bool          `json:"more,omitempty"` // there are more than the limit
}
