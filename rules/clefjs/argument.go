package clefjs

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/dop251/goja"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// apart is from which length on, in bytes, data is handed over apart from the
// JSON text: its text is then neither escaped nor parsed.
const apart = 1 << 10

// argument is the one argument of a function: JSON text, and long strings that
// take the place of empty ones in it.
type argument struct {
	text    []byte
	strings []member
}

// member is a string of an argument: its value is at object.name, or at name
// if object is "".
type member struct{ object, name, value string }

// in returns the argument as a value of a machine.
func (a argument) in(m *machine) (goja.Value, error) {
	value, err := m.parse(goja.Undefined(), m.vm.ToValue(string(a.text)))
	if err != nil {
		return nil, err
	}
	for _, s := range a.strings {
		object := value.ToObject(m.vm)
		if s.object != "" {
			object = object.Get(s.object).ToObject(m.vm)
		}
		if err := object.Set(s.name, s.value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// caller is Clef's "meta".
type caller struct {
	Remote    string `json:"remote"`
	Local     string `json:"local"`
	Scheme    string `json:"scheme"`
	UserAgent string `json:"User-Agent"`
	Origin    string `json:"Origin"`
}

func callerOf(c rules.Caller) caller {
	return caller{Remote: c.Remote, Local: c.Local, Scheme: c.Transport, UserAgent: c.UserAgent, Origin: c.Origin}
}

// argumentOf returns the argument of the function that judges a request.
func (r *Ruleset) argumentOf(req *rules.Request) (argument, error) {
	switch req.Kind {
	case rules.KindList:
		return listingArgument(req)
	case rules.KindTransaction:
		return transactionArgument(req)
	default:
		return dataArgument(req)
	}
}

// listingArgument is the argument of ApproveListing.
func listingArgument(req *rules.Request) (argument, error) {
	type account struct {
		Address common.Address `json:"address"`
		URL     string         `json:"url"`
	}
	var listing struct {
		Accounts []account `json:"accounts"`
		Meta     caller    `json:"meta"`
	}
	listing.Meta = callerOf(req.Caller)
	listing.Accounts = make([]account, 0, len(req.Accounts))
	for _, a := range req.Accounts {
		listing.Accounts = append(listing.Accounts, account{a.Address, urlOf(a)})
	}
	return jsonArgument(listing)
}

// urlOf names an account's key. It has the place of Clef's path to a file.
func urlOf(a rules.Account) string {
	if a.Vault == "" {
		return ""
	}
	return "keyvault://" + url.PathEscape(a.Vault) + "/" + url.PathEscape(a.Key) + "/" + url.PathEscape(a.Version)
}

// authorizationList is the member of a set-code transaction (EIP-7702) that
// Clef does not have: it drops the list, and its rule files know nothing of it.
const authorizationList = "authorizationList"

// transactionArgument is the argument of ApproveTx. Blobs are shown by their
// versioned hashes alone, and call data is "data", as in Clef, however it came.
func transactionArgument(req *rules.Request) (argument, error) {
	if req.TransactionArgs == nil {
		return argument{}, errors.New("the request has no transaction")
	}
	args := *req.TransactionArgs
	args.Blobs, args.Commitments, args.Proofs = nil, nil, nil
	if args.Data == nil {
		args.Data = args.Input
	}
	args.Input = nil
	var long []member
	if args.Data != nil && len(*args.Data) > apart {
		long = append(long, member{"transaction", "data", hexutil.Encode(*args.Data)})
		args.Data = &hexutil.Bytes{}
	}
	type transaction struct {
		apitypes.SendTxArgs
		Authorizations []types.SetCodeAuthorization `json:"authorizationList,omitempty"`
	}
	a, err := jsonArgument(struct {
		Transaction transaction               `json:"transaction"`
		Callinfo    []apitypes.ValidationInfo `json:"call_info"`
		Meta        caller                    `json:"meta"`
	}{transaction{args, authorizations(req)}, findings(req), callerOf(req.Caller)})
	a.strings = long
	return a, err
}

// authorizations returns what a set-code transaction authorizes, nil for others.
func authorizations(req *rules.Request) []types.SetCodeAuthorization {
	if req.Transaction == nil {
		return nil
	}
	return req.Transaction.SetCodeAuthorizations()
}

// dataArgument is the argument of ApproveSignData.
func dataArgument(req *rules.Request) (argument, error) {
	raw, long := base64.StdEncoding.EncodeToString(req.Preimage), []member(nil)
	if len(raw) > apart {
		raw, long = "", []member{{"", "raw_data", raw}}
	}
	a, err := jsonArgument(struct {
		ContentType string                    `json:"content_type"`
		Address     string                    `json:"address"`
		RawData     string                    `json:"raw_data"`
		Messages    []*apitypes.NameValueType `json:"messages"`
		Callinfo    []apitypes.ValidationInfo `json:"call_info"`
		Hash        common.Hash               `json:"hash"`
		Meta        caller                    `json:"meta"`
	}{req.ContentType, req.Account.Address.Hex(), raw, req.Messages, findings(req), req.Digest, callerOf(req.Caller)})
	a.strings = long
	return a, err
}

// approvedArgument is the argument of OnApprovedTx.
func approvedArgument(signed *types.Transaction) (argument, error) {
	raw, err := signed.MarshalBinary()
	if err != nil {
		return argument{}, fmt.Errorf("encoding the signed transaction: %w", err)
	}
	a, err := jsonArgument(struct {
		Raw string             `json:"raw"`
		Tx  *types.Transaction `json:"tx"`
	}{"", signed})
	a.strings = []member{{"", "raw", hexutil.Encode(raw)}}
	return a, err
}

// startupArgument is the argument of OnSignerStartup.
func startupArgument(info Info) (argument, error) {
	off := func(address string) string {
		if address == "" {
			return "n/a"
		}
		return address
	}
	return jsonArgument(map[string]map[string]string{"info": {
		"extapi_http":    off(info.HTTP),
		"extapi_ipc":     off(info.IPC),
		"extapi_version": info.Version,
		"intapi_version": intapiVersion,
	}})
}

// findings returns what validation found, nil if that is nothing.
func findings(req *rules.Request) []apitypes.ValidationInfo {
	if len(req.Findings) == 0 {
		return nil
	}
	return req.Findings
}

func jsonArgument(value any) (argument, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return argument{}, fmt.Errorf("writing the request for the rule file: %w", err)
	}
	return argument{text: text}, nil
}
