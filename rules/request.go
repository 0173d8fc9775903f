// Package rules decides whether a request may be signed. It holds the
// vocabulary of a decision: the request, the verdict, the decision and the
// outcome, and the simplest deciders.
//
// The package never signs, never reaches a vault or a node, and never changes
// a request: the digest that a decider judges is the digest that is signed.
package rules

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// Kind is what a request asks for. The zero kind is no request, and nothing
// may approve it.
type Kind uint8

// The kinds of request.
const (
	KindInvalid      Kind = iota
	KindList              // account_list
	KindNewAccount        // account_new
	KindTransaction       // account_signTransaction
	KindText              // personal message (EIP-191, version 0x45)
	KindData              // data for a validator (EIP-191, version 0x00) and Clique headers
	KindTypedData         // EIP-712
	KindSafe              // a Safe transaction (EIP-712)
	KindBlockPayload      // a block of an OP-stack sequencer, as it sends it to its peers
)

// String returns the kind's name as logs and rules spell it.
func (k Kind) String() string {
	switch k {
	case KindList:
		return "list"
	case KindNewAccount:
		return "new account"
	case KindTransaction:
		return "transaction"
	case KindText:
		return "text"
	case KindData:
		return "data"
	case KindTypedData:
		return "typed data"
	case KindSafe:
		return "safe transaction"
	case KindBlockPayload:
		return "block payload"
	default:
		return "invalid"
	}
}

// Signs reports whether approving a request of this kind uses a key.
func (k Kind) Signs() bool {
	switch k {
	case KindTransaction, KindText, KindData, KindTypedData, KindSafe, KindBlockPayload:
		return true
	default:
		return false
	}
}

// Known reports whether there is such a kind of request.
func (k Kind) Known() bool { return k > KindInvalid && k <= KindBlockPayload }

// BlockPayload is what a sequencer signs of a block beside its chain: that of a
// block is its hash alone.
type BlockPayload struct {
	Domain [32]byte    // keeps signatures of different meanings apart; zero for the blocks of today
	Hash   common.Hash // Keccak-256 of the encoded payload
}

// Account is the account a request names. Only Address is set when no vault
// holds it.
type Account struct {
	Address common.Address
	Vault   string // the vault's name in the configuration
	Key     string // the key's name in that vault
	Version string // the key's version
	Tags    map[string]string
}

// Caller is what the transport knows of who asks.
type Caller struct {
	Transport string // "ipc" or "http"
	Remote    string // peer address over HTTP, "NA" over IPC
	Local     string // Host header over HTTP, "NA" over IPC
	UserAgent string // as sent: informative, never proof
	Origin    string // as sent: informative, never proof
}

// Call is call data that was decoded completely: encoding Arguments by Method
// makes the same bytes again.
type Call struct {
	Selector  [4]byte
	Method    string   // signature, such as "transfer(address,uint256)"
	Types     []string // canonical ABI types of the arguments
	Arguments []any    // as accounts/abi unpacks them; never changed
	Text      string   // for people: "transfer(address: 0x…,uint256: 1)"
}

// Request is one question put to a decider. It is complete and immutable when
// it leaves the decoder: what is approved is Digest, and the other members
// describe what that digest commits to.
type Request struct {
	ID      string // unique to this process; links log and audit lines
	Kind    Kind
	Method  string // JSON-RPC method, such as "account_signTransaction"
	Account Account
	Caller  Caller

	// Spelling is the account's address as the caller of a request for data or a
	// message wrote it, as rule files see it; "" where that is the checksummed form.
	// A transaction's is in TransactionArgs.
	Spelling string

	// Principal is who asks, as proven by the listener: "local" for the user
	// of the IPC socket, "anonymous" over HTTP.
	Principal string

	// Accounts are what a listing would show; nil for other kinds.
	Accounts []Account

	// Digest is the 32 bytes that will be signed; zero for kinds that don't sign.
	Digest common.Hash

	// ChainID is the chain of a transaction, of a Safe transaction, of a
	// typed-data domain or of a block payload; nil where there is none.
	ChainID *big.Int

	// Transaction is the unsigned transaction, without blobs (their versioned
	// hashes are in it).
	Transaction *types.Transaction

	// TransactionArgs is the same transaction in Clef's spelling, as rule
	// files see it, without blobs.
	TransactionArgs *apitypes.SendTxArgs

	// Filled are the members of TransactionArgs that kvclef chose, since the caller
	// left them out, such as "nonce"; nil where the caller gave all.
	Filled []string

	// TypedData is the EIP-712 message, of a Safe transaction too.
	TypedData *apitypes.TypedData

	// Payload is the block payload of a sequencer.
	Payload *BlockPayload

	// ContentType is the media type of account_signData, without parameters;
	// "data/typed" for typed data.
	ContentType string

	// Preimage is what Digest is the Keccak-256 of, for data that has one.
	Preimage []byte

	// Messages shows the data to rules and people, in Clef's form.
	Messages []*apitypes.NameValueType

	// Call is the decoded call data of a transaction or of the call that a Safe
	// makes; nil where there is none, or none that is known.
	Call *Call

	// Findings is what validation found in the call data.
	Findings []apitypes.ValidationInfo
}
