package extapi

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata"
)

// Why a request can't be made again.
var (
	errExcerpt  = errors.New("the log has an excerpt of the request alone")
	errOmitted  = errors.New("the request was too large, or had texts, to be kept in full")
	errNoKind   = errors.New("the request is of no known kind")
	errBroken   = errors.New("the request that the entry has can't be read")
	errOtherSum = errors.New("the request that the entry has is not the one that it names by its digest")
)

// Rebuild returns the request of an entry, a decision, as the decider saw it, but
// for the accounts that a listing would show. Its digest is computed anew, and is
// the entry's. The error says why that is not possible; those without a cause in
// them are the same for every entry.
func Rebuild(entry audit.Entry) (*rules.Request, error) {
	req := &rules.Request{
		ID:     entry.Request,
		Kind:   kindOf(entry.Kind),
		Method: entry.Method,
		Account: rules.Account{
			Address: common.HexToAddress(entry.Account),
			Vault:   entry.Vault,
			Key:     entry.Key,
			Version: entry.KeyVersion,
		},
		Caller:      rules.Caller{Transport: entry.Transport, Remote: entry.Remote},
		Principal:   entry.Principal,
		ContentType: entry.ContentType,
	}
	if entry.Transport == ipcTransport {
		req.Caller = ipcCaller()
	}
	whole := entry.Whole
	switch {
	case req.Kind == rules.KindInvalid:
		return nil, errNoKind
	case !req.Kind.Signs():
		return req, nil
	case whole == nil:
		return nil, errExcerpt
	case whole.Omitted != "":
		return nil, errOmitted
	}
	req.Account.Tags = whole.Tags
	if entry.Transport != ipcTransport {
		req.Caller.Local, req.Caller.UserAgent, req.Caller.Origin = whole.Local, whole.UserAgent, whole.Origin
	}
	if err := describeAgain(req, whole); err != nil {
		return nil, err
	}
	if req.Digest.Hex() != entry.Digest || chainText(req) != entry.ChainID {
		return nil, errOtherSum
	}
	return req, nil
}

// kindOf returns the kind of a name, KindInvalid of any other.
func kindOf(name string) rules.Kind {
	for kind := rules.KindList; kind.Known(); kind++ {
		if kind.String() == name {
			return kind
		}
	}
	return rules.KindInvalid
}

// describeAgain fills in what the digest commits to, as the decoder did, and the
// digest that comes out.
func describeAgain(req *rules.Request, whole *audit.Whole) error {
	var from common.MixedcaseAddress
	if err := spelled(&from, &req.Account.Address, whole.From); err != nil {
		return err
	}
	preimage, err := hexutil.Decode(whole.Preimage)
	if typed := req.Kind == rules.KindTypedData || req.Kind == rules.KindSafe; err != nil && !typed {
		return errBroken
	}
	switch req.Kind {
	case rules.KindTransaction:
		err = describeTransaction(req, whole, preimage)
	case rules.KindText:
		err = describePersonal(req, preimage)
	case rules.KindData:
		err = describeData(req, preimage)
	case rules.KindBlockPayload:
		err = describePayloadAgain(req, preimage)
	default:
		err = describeDocument(req, whole)
	}
	if err != nil {
		return errBroken
	}
	if req.Transaction == nil {
		req.Spelling = spelledOtherwise(&from)
	}
	return nil
}

// describePersonal fills in a personal message, which begins with its length.
func describePersonal(req *rules.Request, preimage []byte) error {
	rest, found := bytes.CutPrefix(preimage, []byte("\x19Ethereum Signed Message:\n"))
	for digits := 1; found && digits <= min(len(rest), len(strconv.Itoa(maxDataBytes))); digits++ {
		if text := rest[digits:]; string(rest[:digits]) == strconv.Itoa(len(text)) {
			describeMessage(req, text)
			return nil
		}
	}
	return errBroken
}

// describeData fills in data for a validator, or a Clique header.
func describeData(req *rules.Request, preimage []byte) error {
	if req.ContentType == accounts.MimetypeClique {
		return describeHeader(req, preimage)
	}
	rest, found := bytes.CutPrefix(preimage, validatorPrefix())
	if !found || len(rest) < common.AddressLength {
		return errBroken
	}
	describeForValidator(req, rest[:common.AddressLength], rest[common.AddressLength:])
	return nil
}

// describeDocument fills in typed data, and the call of a Safe transaction.
func describeDocument(req *rules.Request, whole *audit.Whole) error {
	var document TypedData
	if err := document.UnmarshalJSON(whole.TypedData); err != nil {
		return err
	}
	encoded, err := encodeTypedData(&document)
	if err != nil {
		return err
	}
	encoded.describe(req, req.Kind)
	text, _ := encoded.document.Message["data"].(string)
	data, err := hexutil.Decode(text)
	if err != nil && whole.Signature != "" {
		return err
	}
	return describeCall(req, whole, data)
}

// describeCall fills in what validation found.
func describeCall(req *rules.Request, whole *audit.Whole, data []byte) error {
	for _, found := range whole.Findings {
		req.Findings = append(req.Findings, apitypes.ValidationInfo{Typ: found.Type, Message: found.Message})
	}
	if whole.Signature == "" {
		return nil
	}
	if len(data) < 4 || len(whole.Signature) > maxSelector { // of which types are made that stay in memory
		return errBroken
	}
	call, err := calldata.Decode(whole.Signature, data)
	if err != nil {
		return err
	}
	req.Call, req.Findings = call, append(req.Findings, findingOf(call))
	return nil
}

// chainText is the chain of a request as an entry has it.
func chainText(req *rules.Request) string {
	if req.ChainID == nil {
		return ""
	}
	return req.ChainID.String()
}
