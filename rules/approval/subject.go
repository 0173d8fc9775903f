package approval

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
)

// Subject is a request as people are shown it. Equal requests have equal subjects,
// byte for byte. Numbers are decimal, bytes 0x-hexadecimal, addresses checksummed.
type Subject struct {
	Kind      string         `json:"kind"`   // such as "transaction"
	Method    string         `json:"method"` // of JSON-RPC
	Principal string         `json:"principal"`
	Account   common.Address `json:"account"` // zero for kinds without one
	Vault     string         `json:"vault,omitempty"`
	Key       string         `json:"key,omitempty"`
	Version   string         `json:"version,omitempty"`
	ChainID   string         `json:"chain_id,omitempty"`
	Digest    common.Hash    `json:"digest"` // that will be signed; zero for kinds that don't sign

	Accounts []common.Address `json:"accounts,omitempty"` // of a listing

	Transaction *Transaction    `json:"transaction,omitempty"`
	Call        *Call           `json:"call,omitempty"`
	TypedData   json.RawMessage `json:"typed_data,omitempty"` // EIP-712
	ContentType string          `json:"content_type,omitempty"`
	Preimage    hexutil.Bytes   `json:"preimage,omitempty"` // of a message or data
	Messages    []Message       `json:"messages,omitempty"`
	Payload     *Payload        `json:"payload,omitempty"`
	Findings    []Finding       `json:"findings,omitempty"`
	Filled      []string        `json:"filled,omitempty"` // members that kvclef chose
}

// Transaction is an unsigned transaction. MaxFee is the most that it can cost
// besides its value.
type Transaction struct {
	Type       uint8           `json:"type"`  // EIP-2718
	To         *common.Address `json:"to"`    // null makes a contract
	Value      string          `json:"value"` // wei
	Nonce      string          `json:"nonce"`
	Gas        string          `json:"gas"`
	GasPrice   string          `json:"gas_price,omitempty"` // wei; of types 0 and 1
	FeeCap     string          `json:"fee_cap,omitempty"`   // wei
	TipCap     string          `json:"tip_cap,omitempty"`   // wei
	BlobFeeCap string          `json:"blob_fee_cap,omitempty"`
	MaxFee     string          `json:"max_fee"` // wei
	Data       hexutil.Bytes   `json:"data,omitempty"`

	Blobs          []common.Hash    `json:"blobs,omitempty"` // versioned hashes
	AccessList     types.AccessList `json:"access_list,omitempty"`
	Authorizations []Authorization  `json:"authorizations,omitempty"`
}

// Authorization lets an account run the code of another (EIP-7702).
type Authorization struct {
	Authority *common.Address `json:"authority"` // that signed it; null if that can't be told
	Code      common.Address  `json:"code"`
	ChainID   string          `json:"chain_id"` // "0" is any chain
	Nonce     string          `json:"nonce"`
}

// Call is decoded call data.
type Call struct {
	Selector  hexutil.Bytes `json:"selector"`
	Method    string        `json:"method"` // such as "transfer(address,uint256)"
	Text      string        `json:"text"`
	Arguments []Argument    `json:"arguments"`
}

// Argument is one of a call.
type Argument struct {
	Type  string `json:"type"`
	Value string `json:"value"` // see [ArgumentText]
}

// Message is a part of what is signed, in Clef's form.
type Message struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"` // JSON, where it is no text
}

// Payload is the block of a sequencer.
type Payload struct {
	Domain hexutil.Bytes `json:"domain"`
	Hash   common.Hash   `json:"hash"`
}

// Finding is what validation found.
type Finding struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// subjectOf describes a request.
func subjectOf(req *rules.Request) (*Subject, error) {
	s := &Subject{
		Kind: req.Kind.String(), Method: req.Method, Principal: req.Principal, Digest: req.Digest, ContentType: req.ContentType,
		Filled: slices.Sorted(slices.Values(req.Filled)),
	}
	if req.Kind.Signs() {
		a := req.Account
		s.Account, s.Vault, s.Key, s.Version = a.Address, a.Vault, a.Key, a.Version
	}
	for i := range req.Accounts {
		s.Accounts = append(s.Accounts, req.Accounts[i].Address)
	}
	if req.ChainID != nil {
		s.ChainID = req.ChainID.String()
	}
	if req.Transaction != nil {
		s.Transaction = transactionOf(req.Transaction)
	} else {
		s.Preimage = req.Preimage
	}
	if req.TypedData != nil {
		var err error
		if s.TypedData, err = json.Marshal(req.TypedData); err != nil {
			return nil, fmt.Errorf("describing typed data: %w", err)
		}
	}
	if c := req.Call; c != nil {
		s.Call = &Call{Selector: c.Selector[:], Method: c.Method, Text: c.Text, Arguments: make([]Argument, len(c.Arguments))}
		for i, argument := range c.Arguments {
			s.Call.Arguments[i] = Argument{Type: c.Types[i], Value: ArgumentText(c.Types[i], argument)}
		}
	}
	for _, m := range req.Messages {
		s.Messages = append(s.Messages, Message{Name: m.Name, Type: m.Typ, Value: text(m.Value)})
	}
	if p := req.Payload; p != nil {
		s.Payload = &Payload{Domain: p.Domain[:], Hash: p.Hash}
	}
	for _, f := range req.Findings {
		s.Findings = append(s.Findings, Finding{Type: f.Typ, Text: f.Message})
	}
	return s, nil
}

func transactionOf(tx *types.Transaction) *Transaction {
	t := &Transaction{
		Type: tx.Type(), To: tx.To(), Value: tx.Value().String(), Nonce: strconv.FormatUint(tx.Nonce(), 10),
		Gas: strconv.FormatUint(tx.Gas(), 10), Data: tx.Data(), Blobs: tx.BlobHashes(), AccessList: tx.AccessList(),
	}
	fee := new(big.Int).Mul(tx.GasFeeCap(), new(big.Int).SetUint64(tx.Gas()))
	switch tx.Type() {
	case types.LegacyTxType, types.AccessListTxType:
		t.GasPrice = tx.GasPrice().String()
	default:
		t.FeeCap, t.TipCap = tx.GasFeeCap().String(), tx.GasTipCap().String()
	}
	if blob := tx.BlobGasFeeCap(); blob != nil {
		t.BlobFeeCap = blob.String()
		fee.Add(fee, new(big.Int).Mul(blob, new(big.Int).SetUint64(tx.BlobGas())))
	}
	t.MaxFee = fee.String()
	for _, a := range tx.SetCodeAuthorizations() {
		authorization := Authorization{Code: a.Address, ChainID: a.ChainID.Dec(), Nonce: strconv.FormatUint(a.Nonce, 10)}
		if authority, err := a.Authority(); err == nil {
			authorization.Authority = &authority
		}
		t.Authorizations = append(t.Authorizations, authorization)
	}
	return t
}

// text is a part of a message as people read it: numbers in decimal, bytes in
// hexadecimal, and what is made of several as JSON.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case *big.Int:
		return v.String()
	case common.Address:
		return v.Hex()
	case []byte:
		return hexutil.Encode(v)
	case fmt.Stringer:
		return v.String()
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
