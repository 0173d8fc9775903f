package facts

import (
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// sign is what tells that typed data lets others do more than is known of it.
type sign struct {
	name    string   // of the type; "" for any
	members []string // that the type has, among others
	means   string
}

const (
	anOrder     = "it is an order, by which tokens change hands in a way that is not looked at"
	aForward    = "it lets others make a call in the name of who signs it"
	aNested     = "it stands for a signature of a contract, and what that signs is not looked at"
	aDelegation = "it lets others act in the name of who signs it"
	aLoan       = "it lets others borrow in the name of who signs it"
	aPermit     = "it is a permit by its name or its spender, and is of no form that is known"

	aCall           = "it has bytes that may be a call, which others make in the name of who signs it"
	anAuthorization = "it may let others act for who signs it, or take that back"
)

// signs are those of documents that people use and that no general rule tells, see
// shaped. The members are enough: versions differ in others.
func signs() []sign {
	return []sign{
		{"", []string{"offer", "consideration"}, anOrder},               // Seaport
		{"", []string{"sellToken", "buyToken"}, anOrder},                // CoW
		{"", []string{"makerAsset", "takerAsset"}, anOrder},             // 1inch
		{"", []string{"makerToken", "takerToken"}, anOrder},             // 0x 4
		{"", []string{"makerAssetData", "takerAssetData"}, anOrder},     // 0x 2 and 3
		{"", []string{"erc20Token", "erc20TokenAmount"}, anOrder},       // 0x 4, of collections
		{"", []string{"makeAsset", "takeAsset"}, anOrder},               // Rarible
		{"", []string{"collection", "price"}, anOrder},                  // LooksRare, Blur
		{"", []string{"srcToken", "destToken"}, anOrder},                // Velora
		{"", []string{"inputToken", "outputToken"}, anOrder},            // Across
		{"", []string{"tokenIn", "tokenOut"}, anOrder},                  // of many
		{"", []string{"orderData"}, anOrder},                            // ERC-7683
		{"", []string{"from", "to", "data"}, aForward},                  // forwarders (EIP-2771)
		{"", []string{"from", "functionSignature"}, aForward},           // meta-transactions
		{"", []string{"sender", "callData"}, aForward},                  // user operations (EIP-4337)
		{"", []string{"delegate", "authority", "caveats"}, aDelegation}, // ERC-7710
		{"", []string{"delegatee", "value"}, aLoan},                     // Aave
		{"SafeTx", nil, aForward},                                       // of a Safe that is another's, or of no form that is known
		{"SafeOp", nil, aForward},                                       // user operations of a Safe
		{"SafeMessage", nil, aNested},
		{"TypedDataSign", nil, aNested}, // ERC-7739
		{"PersonalSign", nil, aNested},  // ERC-7739
	}
}

// unread says why typed data, which hands over no tokens that are known, may hand
// over some or do more: "" if nothing tells so. It is no proof: a document of a
// form that nobody knows may do anything that a contract takes it for. Calls tells
// whether it lets others make calls, whatever else it does.
func unread(t *Typed) (why string, calls bool) {
	if t == nil {
		return "", false
	}
	means := func(one string) {
		if why == "" {
			why = one
		}
		calls = calls || one == aForward || one == aCall || one == aDelegation
	}
	if strings.HasPrefix(t.PrimaryType, "Permit") || handoversOf(t.PrimaryType) != nil {
		why = aPermit
	}
	for _, s := range signs() {
		for name, fields := range t.types {
			if name != domainType && s.fits(name, fields) {
				means(s.means)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		if name != domainType {
			means(shaped(t.types[name]))
		}
	}
	return why, calls
}

// fits tells whether a type has the sign.
func (s *sign) fits(name string, fields []apitypes.Type) bool {
	if s.name != "" {
		return s.name == name
	}
	return !slices.ContainsFunc(s.members, func(member string) bool {
		return !slices.ContainsFunc(fields, func(f apitypes.Type) bool { return f.Name == member })
	})
}

// typedActions are what a document lets others do.
func typedActions(signer common.Address, t *Typed) []Action {
	if known := handovers(signer, t); len(known) > 0 {
		return known
	}
	why, calls := unread(t)
	if why == "" {
		return nil
	}
	contract := new(common.Address)
	if t.Contract != nil {
		*contract = *t.Contract
	}
	return []Action{{Path: "message", From: signer, To: contract, Decoding: Other, Opaque: why, Calls: calls}}
}
