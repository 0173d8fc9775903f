package facts

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// shaped says what a struct may stand for by the kinds of its members, whoever
// made it: "" for nothing. There are more wallets, forwarders and markets than
// anybody can list, and their documents resemble each other. What is told wrongly
// is not allowed without a word; what is missed would be.
func shaped(fields []apitypes.Type) string {
	switch {
	case holdsCall(fields):
		return aCall
	case holdsAuthorization(fields):
		return anAuthorization
	case slices.ContainsFunc(fields, func(f apitypes.Type) bool { return plainName(f) == "spender" }):
		return aPermit
	case len(fields) == 1 && holdsHash(fields[0]):
		return aNested
	default:
		return ""
	}
}

// holdsCall tells whether a struct may hold the data of a call, or its hash: such
// is what is signed for forwarders, smart accounts and their modules.
func holdsCall(fields []apitypes.Type) bool {
	called := slices.ContainsFunc(fields, func(f apitypes.Type) bool {
		return elementOf(f) == "address" && slices.Contains(callees(), plainName(f))
	})
	return slices.ContainsFunc(fields, func(f apitypes.Type) bool {
		name, kind := plainName(f), elementOf(f)
		switch kind {
		case "bytes":
			return called || name == "data" || name == "datas" || strings.Contains(name, "calldata") || name == "functionsignature"
		case "bytes32":
			return strings.Contains(name, "calldata") || called && strings.Contains(name, "data")
		default:
			return false
		}
	})
}

// callees are the names that the contract of a call has.
func callees() []string {
	return []string{"to", "target", "targets", "dest", "destination", "destinations", "callee", "contract", "contractaddress"}
}

// holdsAuthorization tells whether a struct may say yes or no to somebody who
// acts for who signs: an address, and a truth such as isAuthorized or approved.
func holdsAuthorization(fields []apitypes.Type) bool {
	return slices.ContainsFunc(fields, func(f apitypes.Type) bool { return elementOf(f) == "address" }) &&
		slices.ContainsFunc(fields, func(f apitypes.Type) bool {
			name := strings.TrimPrefix(plainName(f), "is")
			return f.Type == "bool" && slices.ContainsFunc([]string{"allow", "approv", "authori", "permitted", "enabled"}, func(stem string) bool {
				return strings.HasPrefix(name, stem)
			})
		})
}

// holdsHash tells whether a member that stands alone is a message or its hash:
// smart accounts sign such a struct for what others gave them to sign.
func holdsHash(f apitypes.Type) bool {
	name := plainName(f)
	return f.Type == "bytes32" && (strings.HasSuffix(name, "hash") || strings.HasSuffix(name, "digest")) || f.Type == "bytes" && strings.HasSuffix(name, "message")
}

// plainName is the name of a member without its ways of writing.
func plainName(f apitypes.Type) string { return strings.ToLower(strings.ReplaceAll(f.Name, "_", "")) }

// elementOf is the type of a member, or of what is in its array.
func elementOf(f apitypes.Type) string {
	kind, _, _ := strings.Cut(f.Type, "[")
	return kind
}
