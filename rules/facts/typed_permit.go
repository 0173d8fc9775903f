package facts

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"
)

// handover is typed data that hands tokens over to whoever holds its signature.
type handover struct {
	fields  string            // of the primary type, as EIP-712 encodes them
	structs map[string]string // of the types it names
	name    string            // of the action
	permit2 bool              // the contract is Permit2, and the tokens are in the message
	effects func(signer, contract common.Address, m message) []Effect
}

// handoversOf are those known for a primary type. The members must be exactly
// these: a document of the same name with others is not one of them.
func handoversOf(primaryType string) []handover {
	const details = "address token,uint160 amount,uint48 expiration,uint48 nonce"
	const permitted = "address token,uint256 amount"
	base, witness := strings.CutSuffix(primaryType, "WitnessTransferFrom")
	switch {
	case primaryType == "Permit":
		return []handover{
			{"address owner,address spender,uint256 value,uint256 nonce,uint256 deadline", nil, "permit", false, func(_, contract common.Address, m message) []Effect {
				return []Effect{until(newEffect(Permit, contract, m.address("owner"), m.address("spender"), m.amount("value")), m.amount("deadline"))}
			}},
			{"address holder,address spender,uint256 nonce,uint256 expiry,bool allowed", nil, "permit", false, func(_, contract common.Address, m message) []Effect {
				return []Effect{permitDAI(contract, m.address("holder"), m.address("spender"), m.amount("expiry"), m.truth("allowed"))}
			}},
			{"address spender,uint256 tokenId,uint256 nonce,uint256 deadline", nil, "permit", false, permitOfOne},
		}
	case primaryType == "TransferWithAuthorization", primaryType == "ReceiveWithAuthorization":
		return []handover{{
			"address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce", nil, strings.ToLower(primaryType[:1]) + primaryType[1:], false,
			func(_, contract common.Address, m message) []Effect {
				return []Effect{until(newEffect(Transfer, contract, m.address("from"), m.address("to"), m.amount("value")), m.amount("validBefore"))}
			},
		}}
	case primaryType == "PermitSingle":
		return []handover{{
			"PermitDetails details,address spender,uint256 sigDeadline",
			map[string]string{"PermitDetails": details},
			"permit", true,
			func(signer, _ common.Address, m message) []Effect {
				return []Effect{permit2(signer, m.inner("details"), m.address("spender"), m.amount("sigDeadline"))}
			},
		}}
	case primaryType == "PermitBatch":
		return []handover{{
			"PermitDetails[] details,address spender,uint256 sigDeadline",
			map[string]string{"PermitDetails": details},
			"permit", true,
			func(signer, _ common.Address, m message) []Effect {
				var effects []Effect
				for _, line := range m.list("details") {
					effects = append(effects, permit2(signer, line, m.address("spender"), m.amount("sigDeadline")))
				}
				return effects
			},
		}}
	case primaryType == "PermitTransferFrom", primaryType == "PermitWitnessTransferFrom":
		return []handover{{
			"TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline" + witnessed(witness),
			map[string]string{"TokenPermissions": permitted},
			"permit", true,
			func(signer, _ common.Address, m message) []Effect {
				return []Effect{permit2(signer, m.inner("permitted"), m.address("spender"), m.amount("deadline"))}
			},
		}}
	case primaryType == "PermitBatchTransferFrom", witness && base == "PermitBatch":
		return []handover{{
			"TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline" + witnessed(witness),
			map[string]string{"TokenPermissions": permitted},
			"permit", true,
			func(signer, _ common.Address, m message) []Effect {
				var effects []Effect
				for _, line := range m.list("permitted") {
					effects = append(effects, permit2(signer, line, m.address("spender"), m.amount("deadline")))
				}
				return effects
			},
		}}
	default:
		return nil
	}
}

// witnessed is the last member of a permit with a witness: what else is signed,
// of a type that the spender chooses.
func witnessed(is bool) string {
	if is {
		return ",*"
	}
	return ""
}

// permit2 is an effect of Permit2, which the signer's tokens are taken by.
func permit2(signer common.Address, line message, spender common.Address, deadline uint256.Int) Effect {
	return until(newEffect(Permit, line.address("token"), signer, spender, line.amount("amount")), deadline)
}

// permitOfOne is the permit of a token of a collection (ERC-4494).
func permitOfOne(signer, contract common.Address, m message) []Effect {
	id := m.amount("tokenId")
	effect := newEffect(Permit, contract, signer, m.address("spender"), id)
	effect.ID, effect.Single, effect.Unlimited = &id, true, false
	return []Effect{until(effect, m.amount("deadline"))}
}

func until(e Effect, deadline uint256.Int) Effect {
	e.Deadline = &deadline
	return e
}

// handovers are the actions of typed data: one for each token that it hands
// over.
func handovers(signer common.Address, t *Typed) []Action {
	if t == nil || t.Contract == nil || !t.sound {
		return nil
	}
	for _, known := range handoversOf(t.PrimaryType) {
		if !known.fits(t) {
			continue
		}
		var opaque string
		if known.permit2 && !IsPermit2(*t.Contract) {
			opaque = "the contract is not the Permit2 that is known"
		}
		var actions []Action
		for i, effect := range known.effects(signer, *t.Contract, t.Message) {
			token := effect.Token
			if i == MaxActions {
				actions[i-1].Opaque = "it hands over more tokens than are looked at"
				break
			}
			actions = append(actions, Action{From: effect.Owner, To: &token, Decoding: Known, Name: known.name, Effects: []Effect{effect}, Opaque: opaque})
			if i > 0 || strings.Contains(known.fields, "[]") {
				actions[i].Path = nth("message", i)
			}
		}
		return actions
	}
	return nil
}

// IsPermit2 tells whether a contract is Permit2, which has one address on all
// chains but those of ZKsync. There are copies of it by others.
func IsPermit2(contract common.Address) bool {
	return contract == common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3") ||
		contract == common.HexToAddress("0x0000000000225e31D15943971F47aD3022F714Fa")
}

// fits tells whether the types of a document are those of a handover.
func (h handover) fits(t *Typed) bool {
	want, witness := strings.CutSuffix(h.fields, ",*")
	have := encoded(t.types[t.PrimaryType])
	if witness {
		i := strings.LastIndexByte(have, ',')
		if i < 0 {
			return false
		}
		have = have[:i]
	}
	if have != want || h.permit2 && (t.Name != "Permit2" || encoded(t.types[domainType]) != "string name,uint256 chainId,address verifyingContract") {
		return false
	}
	for name, fields := range h.structs {
		if encoded(t.types[name]) != fields {
			return false
		}
	}
	return true
}

// encoded are the members of a type as EIP-712 encodes them.
func encoded(fields []apitypes.Type) string {
	var text strings.Builder
	for i, field := range fields {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(field.Type + " " + field.Name)
	}
	return text.String()
}
