package extapi

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// wholeOf returns what an audit entry needs beside its other members for the
// request to be made again by [Rebuild].
func wholeOf(req *rules.Request) *audit.Whole {
	whole := &audit.Whole{
		Tags:      req.Account.Tags,
		From:      req.Spelling,
		UserAgent: req.Caller.UserAgent,
		Origin:    req.Caller.Origin,
		Findings:  findingsBesideCall(req),
	}
	if req.Caller.Transport != ipcTransport {
		whole.Local = req.Caller.Local
	}
	if req.Call != nil {
		whole.Signature = req.Call.Method
	}
	preimage, err := req.Preimage, error(nil)
	switch {
	case req.Transaction != nil:
		if len(req.Transaction.Data()) > audit.MaxWhole {
			preimage = req.Transaction.Data() // which is too much already
			break
		}
		spell(whole, req.TransactionArgs)
		preimage, err = unsigned(req.Transaction, req.ChainID)
	case req.TypedData != nil:
		preimage = nil // two hashes
		whole.TypedData = appendTypedData(nil, req.TypedData)
	}
	switch {
	case err != nil:
		return &audit.Whole{Omitted: fmt.Sprintf("the request can't be written: %v", err)}
	case len(preimage) > audit.MaxWhole:
		return audit.TooLarge(len(preimage))
	case len(preimage) > 0:
		whole.Preimage = hexutil.Encode(preimage)
	}
	return whole
}

// unsigned returns what the signing hash of a transaction is the Keccak-256 of:
// its type and the RLP of what is signed. For a legacy transaction this has the
// chain in the place of the signature (EIP-155).
func unsigned(tx *types.Transaction, chain *big.Int) ([]byte, error) {
	if tx.Type() == types.LegacyTxType {
		return types.NewTx(&types.LegacyTx{
			Nonce: tx.Nonce(), GasPrice: tx.GasPrice(), Gas: tx.Gas(), To: tx.To(), Value: tx.Value(), Data: tx.Data(), V: chain,
		}).MarshalBinary()
	}
	encoded, err := tx.MarshalBinary()
	if err != nil {
		return nil, err
	}
	members, _, err := rlp.SplitList(encoded[1:])
	if err != nil {
		return nil, err
	}
	members, cut := bytes.CutSuffix(members, noSignature[:])
	if !cut {
		return nil, errors.New("the transaction is signed")
	}
	return listOf(tx.Type(), members), nil
}

// noSignature is the end of the RLP of a transaction that is not signed: three
// zeros.
var noSignature = [3]byte{0x80, 0x80, 0x80}

// listOf returns the transaction of a type that has the members, which are RLP.
func listOf(kind byte, members []byte) []byte {
	buffer := rlp.NewEncoderBuffer(nil)
	list := buffer.List()
	_, _ = buffer.Write(members) // it writes to memory
	buffer.ListEnd(list)
	return append([]byte{kind}, buffer.ToBytes()...)
}

// spell notes how a caller wrote what a transaction has in one form alone.
func spell(whole *audit.Whole, args *apitypes.SendTxArgs) {
	if args == nil {
		return
	}
	whole.From, whole.BlobVersion = spelledOtherwise(&args.From), args.BlobVersion
	if args.To != nil {
		whole.To = spelledOtherwise(args.To)
	}
	for _, member := range optionalMembers(args) {
		if member.absent {
			whole.Absent = append(whole.Absent, member.name)
		}
	}
}

// spelledOtherwise returns an address as it was written, but for 0X in the place of
// 0x, which rule files never see; "" where that is its checksummed form.
func spelledOtherwise(address *common.MixedcaseAddress) string {
	text := address.Original()
	if digits, other := strings.CutPrefix(text, "0X"); other {
		text = "0x" + digits
	}
	if text == address.Address().Hex() {
		return ""
	}
	return text
}

// optionalMember is a member of a transaction that may be absent, and a
// transaction then has it all the same.
type optionalMember struct {
	name   string
	absent bool
	remove func(args *apitypes.SendTxArgs)
}

// optionalMembers are those of the arguments of a transaction, as far as it
// would have them.
func optionalMembers(args *apitypes.SendTxArgs) []optionalMember {
	members := []optionalMember{
		{"data", args.Data == nil, func(a *apitypes.SendTxArgs) { a.Data = nil }},
		{"chainId", args.ChainID == nil, func(a *apitypes.SendTxArgs) { a.ChainID = nil }},
	}
	if args.MaxFeePerGas != nil {
		return append(members,
			optionalMember{"accessList", args.AccessList == nil, func(a *apitypes.SendTxArgs) { a.AccessList = nil }},
			optionalMember{"maxPriorityFeePerGas", args.MaxPriorityFeePerGas == nil, func(a *apitypes.SendTxArgs) { a.MaxPriorityFeePerGas = nil }})
	}
	return append(members, optionalMember{"gasPrice", args.GasPrice == nil, func(a *apitypes.SendTxArgs) { a.GasPrice = nil }})
}

// findingOf is the finding of validation for call data that was decoded.
func findingOf(call *rules.Call) apitypes.ValidationInfo {
	return apitypes.ValidationInfo{Typ: apitypes.INFO, Message: invokes(call)}
}

// findingsBesideCall returns the findings of a request but for that of its
// decoded call, which is the last.
func findingsBesideCall(req *rules.Request) []audit.Finding {
	found := req.Findings
	if n := len(found); n > 0 && req.Call != nil && found[n-1] == findingOf(req.Call) {
		found = found[:n-1]
	}
	beside := make([]audit.Finding, len(found))
	for i := range found {
		beside[i] = audit.Finding{Type: found[i].Typ, Message: found[i].Message}
	}
	return beside
}
