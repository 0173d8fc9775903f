// Package clefargs describes requests as Clef does: in the objects that its rule
// files and its user interfaces get, member for member. It decides nothing, and
// leaves out nothing that the digest commits to, but for the blobs, which are
// shown by their versioned hashes.
package clefargs

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// InternalVersion is the version of Clef's internal API that the objects are of.
const InternalVersion = "7.0.1"

// Caller is Clef's "meta".
type Caller struct {
	Remote    string `json:"remote"`
	Local     string `json:"local"`
	Scheme    string `json:"scheme"`
	UserAgent string `json:"User-Agent"`
	Origin    string `json:"Origin"`
}

// unknown is what Clef writes where it does not know a host, such as that of a
// request without a Host header.
const unknown = "NA"

// CallerOf describes who asks.
func CallerOf(c rules.Caller) Caller {
	return Caller{Remote: cmp.Or(c.Remote, unknown), Local: cmp.Or(c.Local, unknown), Scheme: c.Transport, UserAgent: c.UserAgent, Origin: c.Origin}
}

// Account is an account of a listing.
type Account struct {
	Address common.Address `json:"address"`
	URL     string         `json:"url"`
}

// AccountsOf describes accounts.
func AccountsOf(accounts []rules.Account) []Account {
	described := make([]Account, 0, len(accounts))
	for _, a := range accounts {
		described = append(described, Account{a.Address, URLOf(a)})
	}
	return described
}

// URLOf names an account's key. It has the place of Clef's path to a file.
func URLOf(a rules.Account) string {
	if a.Vault == "" {
		return ""
	}
	return "keyvault://" + url.PathEscape(a.Vault) + "/" + url.PathEscape(a.Key) + "/" + url.PathEscape(a.Version)
}

// Listing is the argument of ApproveListing.
type Listing struct {
	Accounts []Account `json:"accounts"`
	Meta     Caller    `json:"meta"`
}

// ListingOf describes a request to list accounts.
func ListingOf(req *rules.Request) Listing {
	return Listing{Accounts: AccountsOf(req.Accounts), Meta: CallerOf(req.Caller)}
}

// NewAccount is the argument of a request for a new account.
type NewAccount struct {
	Meta Caller `json:"meta"`
}

// Transaction is a transaction as rule files and user interfaces see it.
// Authorizations are those of EIP-7702, which Clef does not have.
type Transaction struct {
	apitypes.SendTxArgs
	Authorizations []types.SetCodeAuthorization `json:"authorizationList,omitempty"`
}

// SignTx is the argument of ApproveTx.
type SignTx struct {
	Transaction Transaction               `json:"transaction"`
	Callinfo    []apitypes.ValidationInfo `json:"call_info"`
	Meta        Caller                    `json:"meta"`
}

// SignTxOf describes a request to sign a transaction. Call data is "data", as in
// Clef, however it came.
func SignTxOf(req *rules.Request) (SignTx, error) {
	if req.TransactionArgs == nil {
		return SignTx{}, errors.New("the request has no transaction")
	}
	args := *req.TransactionArgs
	args.Blobs, args.Commitments, args.Proofs = nil, nil, nil
	if args.Data == nil {
		args.Data = args.Input
	}
	args.Input = nil
	return SignTx{Transaction{args, AuthorizationsOf(req)}, findings(req), CallerOf(req.Caller)}, nil
}

// AuthorizationsOf returns what a set-code transaction authorizes, nil for others.
func AuthorizationsOf(req *rules.Request) []types.SetCodeAuthorization {
	if req.Transaction == nil {
		return nil
	}
	return req.Transaction.SetCodeAuthorizations()
}

// SignData is the argument of ApproveSignData.
type SignData struct {
	ContentType string                    `json:"content_type"`
	Address     string                    `json:"address"`
	RawData     string                    `json:"raw_data"` // base64
	Messages    []*apitypes.NameValueType `json:"messages"`
	Callinfo    []apitypes.ValidationInfo `json:"call_info"`
	Hash        common.Hash               `json:"hash"`
	Meta        Caller                    `json:"meta"`
}

// SignDataOf describes a request to sign something else than a transaction. The
// address is as the caller wrote it, as in Clef.
func SignDataOf(req *rules.Request) SignData {
	return SignData{
		req.ContentType, cmp.Or(req.Spelling, req.Account.Address.Hex()), base64.StdEncoding.EncodeToString(req.Preimage), req.Messages, findings(req), req.Digest,
		CallerOf(req.Caller),
	}
}

// findings returns what validation found, nil if that is nothing.
func findings(req *rules.Request) []apitypes.ValidationInfo {
	if len(req.Findings) == 0 {
		return nil
	}
	return req.Findings
}

// Approved is the argument of OnApprovedTx.
type Approved struct {
	Raw hexutil.Bytes      `json:"raw"`
	Tx  *types.Transaction `json:"tx"`
}

// ApprovedOf describes a transaction that was signed, without blobs.
func ApprovedOf(req *rules.Request, result rules.Result) (Approved, error) {
	if req.Transaction == nil || req.ChainID == nil {
		return Approved{}, errors.New("the request has no transaction or no chain id")
	}
	signed, err := req.Transaction.WithSignature(types.LatestSignerForChainID(req.ChainID), result.Signature[:])
	if err != nil {
		return Approved{}, err
	}
	signed = signed.WithoutBlobTxSidecar()
	raw, err := signed.MarshalBinary()
	if err != nil {
		return Approved{}, fmt.Errorf("encoding the signed transaction: %w", err)
	}
	return Approved{raw, signed}, nil
}

// Startup is the argument of OnSignerStartup.
type Startup struct {
	Info map[string]string `json:"info"`
}

// StartupOf tells where the signer listens: a URL and a path, "" where it does not.
func StartupOf(http, ipc, version string) Startup {
	off := func(address string) string {
		if address == "" {
			return "n/a"
		}
		return address
	}
	return Startup{map[string]string{
		"extapi_http": off(http), "extapi_ipc": off(ipc), "extapi_version": version, "intapi_version": InternalVersion,
	}}
}
