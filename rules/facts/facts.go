// Package facts says in plain terms what a request would do: who asks, which
// account, and one by one the calls it makes, with the tokens they move or hand
// over and to whom. A policy is written in these terms, and limits count them.
//
// The package only reads: it never judges, never reaches a chain or a vault,
// and never guesses. What can't be known for certain is said to be unknown.
package facts

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Facts are what is known of one request. They are complete when [Of] returns,
// and never change.
type Facts struct {
	Request *rules.Request // immutable: account, caller, principal, chain, digest
	Time    time.Time      // of the decision

	// Kind is what is asked for, as policies spell it: one of the constants.
	Kind string

	// Tx is the transaction; nil for other kinds.
	Tx *Tx

	// Actions are what is done, or may be done with the signature by whoever
	// holds it: the outermost come first, and what an action unpacks to follows it,
	// depth first. A transaction has one outermost action, and so has a Safe
	// transaction; typed data has one for each token it hands over, or one that is
	// opaque if it may do so in a way that is not known; others have none.
	Actions []Action

	Typed *Typed // EIP-712 and Safe transactions; nil for other kinds
	Text  *Text  // personal messages; nil for other kinds

	totals totals // of effects, see Total; nil where none stands beside another
}

// The kinds of request, as policies spell them.
const (
	KindTransaction = "transaction"
	KindText        = "text"             // a personal message, EIP-191 version 0x45
	KindValidator   = "validator"        // data for a validator, EIP-191 version 0x00
	KindClique      = "clique_header"    // a Clique block header
	KindTypedData   = "typed_data"       // EIP-712
	KindSafe        = "safe_transaction" // also where it is asked for as typed data
	KindPayload     = "block_payload"    // a block of an OP-stack sequencer
	KindList        = "list"
	KindNewAccount  = "new_account"
)

// Tx is what a transaction costs at most, in wei, and what it carries.
type Tx struct {
	*types.Transaction // unsigned, complete: nonce and fees are filled

	// GasCost is gas × the fee cap, and blob gas × the blob fee cap: the worst
	// case. Spend is GasCost and the value. Both stop at 2²⁵⁶−1.
	GasCost, Spend uint256.Int

	Create       bool        // makes a contract
	InitCodeHash common.Hash // Keccak-256 of the data of a creation

	// Delegates are the contracts that an authorization list (EIP-7702) hands
	// accounts over to, and the accounts: the zero address where an
	// authorization's signature is of nobody.
	Delegates []Delegate
}

// Delegate is one authorization of EIP-7702.
type Delegate struct {
	Authority common.Address // the account that is handed over
	Contract  common.Address // whose code it runs from then on; zero takes that back
	AnyChain  bool           // the authorization names no chain
}

// Decoding says how far the data of an action is understood.
type Decoding uint8

// How far data is understood. The zero value is what is least known.
const (
	Unknown Decoding = iota // of 1 to 3 bytes, or of a known method with arguments that don't fit
	None                    // no data
	Other                   // of a method that is not known
	Known                   // decoded completely
)

// Action is a call, or for typed data what a signature allows others to do.
type Action struct {
	Path  string // where it stands, for people: "" outermost, "data[1]", "message.details[0]"
	Depth int    // 0 outermost

	From  common.Address  // in whose name it is done
	To    *common.Address // the contract or recipient; the token for typed data; nil for a creation
	Value uint256.Int     // wei sent along

	Data     []byte // call data; empty for typed data
	Decoding Decoding
	Delegate bool // a delegate call: the code of To runs with the powers of From

	// Forwarded says that the action around it only passes it on (EIP-2771): From,
	// who is another, has signed it, and its powers are not those of who sends it. No
	// ether is sent along, and neither it nor what lies within it is done in the name
	// of the account, or of who calls or is called around it.
	Forwarded bool

	// Calls says of typed data that whoever holds the signature can make calls in the
	// name of From, which are not known: by a user operation or a delegation.
	Calls bool

	// Name is the method's name, such as "transfer", or for typed data "permit";
	// "" if it is not known. Call is the decoded call, without a text; nil for typed data.
	Name string
	Call *rules.Call

	Effects []Effect // on tokens; nil where none is known, at most MaxEffects of a request

	// Inner is how many actions it unpacks to directly. Opaque says why there may
	// be others that are not listed, such as nesting beyond the bound; "" if there
	// are none.
	Inner  int
	Opaque string
}

// What an effect does with tokens.
const (
	Transfer   = "transfer"    // moves tokens of Owner to Recipient
	Approve    = "approve"     // lets Recipient take tokens of Owner, by a call
	Permit     = "permit"      // lets Recipient take tokens of Owner, by a signature
	ApproveAll = "approve_all" // lets Recipient take every token of a collection
)

// Effect is what an action does to tokens, whoever pays for the call.
type Effect struct {
	Kind      string
	Token     common.Address
	Owner     common.Address // whose tokens
	Recipient common.Address // who gets them, or may take them: the beneficiary

	// Amount is in the token's smallest unit. Collections (ERC-721) do not differ
	// from ERC-20 in their call data: there it is the token's id. Unlimited is an
	// amount that no balance reaches: 2¹²⁸ or more, the largest of a type of 96 bits
	// or more, or all of a collection.
	Amount    uint256.Int
	Unlimited bool

	// Single says that it is one token of a collection for certain, by the method
	// or the type: Amount is its id then, as ID is.
	Single bool

	ID       *uint256.Int // of a token that says so (ERC-1155, safeTransferFrom); else nil
	Deadline *uint256.Int // Unix seconds until which a permit may be used; nil where there is none
}

// Typed is what is known of EIP-712 data.
type Typed struct {
	PrimaryType string
	Name        string // of the domain; "" where there is none
	Version     string // of the domain
	Contract    *common.Address
	Salt        *common.Hash

	// Message is the message as it was decoded, by the types of the data: addresses are common.Address, numbers
	// *big.Int, bytes []byte, text string, truth bool, structs map[string]any and
	// arrays []any.
	Message map[string]any

	// Safe is set for Safe transactions.
	Safe *Safe

	types apitypes.Types
	sound bool // every value is there, and of its type
}

// Safe is what a Safe transaction says besides the call it makes.
type Safe struct {
	Address        common.Address // the Safe
	GasToken       common.Address
	RefundReceiver common.Address
	GasPrice       uint256.Int // wei or units of GasToken

	// MaxRefund is (baseGas + safeTxGas + 100 000) × gasPrice, which the Safe pays at
	// most: the gas that the Safe uses itself is refunded too. It stops at 2²⁵⁶−1.
	MaxRefund uint256.Int
}

// Text is a personal message.
type Text struct {
	Bytes []byte
	SIWE  *SIWE // a Sign-In-with-Ethereum message (EIP-4361); nil if it is not exactly one
}

// SIWE is a Sign-In-with-Ethereum message, EIP-4361.
type SIWE struct {
	Scheme, Domain string // "" scheme if there is none
	Address        common.Address
	Statement      string
	URI            string
	Version        string
	ChainID        uint64
	Nonce          string
	IssuedAt       time.Time
	ExpirationTime *time.Time
	NotBefore      *time.Time
	RequestID      string
	Resources      []string
}
