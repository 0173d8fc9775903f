package facts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Unlimited tells whether an amount is one that no balance reaches: 2¹²⁸ of the
// smallest unit, or the largest of a type of 96 bits or more. There are tokens that
// keep balances in 96 bits, and take that number for all there is.
func Unlimited(amount *uint256.Int) bool {
	if amount.BitLen() > 128 {
		return true
	}
	next := new(uint256.Int).AddUint64(amount, 1)
	return amount.BitLen() >= 96 && next.And(next, amount).IsZero()
}

// effectOn makes an effect on the contract that an action calls.
func effectOn(a *Action, kind string, owner, recipient common.Address, amount uint256.Int) Effect {
	return newEffect(kind, *a.To, owner, recipient, amount)
}

func newEffect(kind string, token, owner, recipient common.Address, amount uint256.Int) Effect {
	return Effect{Kind: kind, Token: token, Owner: owner, Recipient: recipient, Amount: amount, Unlimited: Unlimited(&amount)}
}

// sends is an effect of a method (address recipient, uint256 amount, …).
func sends(kind string) func(*Action, values) []Effect {
	return func(a *Action, v values) []Effect {
		return []Effect{effectOn(a, kind, a.From, v.address(0), v.amount(1))}
	}
}

// sendsFor is an effect of a method (address owner, address recipient, uint256 amount, …).
func sendsFor(kind string) func(*Action, values) []Effect {
	return func(a *Action, v values) []Effect {
		return []Effect{effectOn(a, kind, v.address(0), v.address(1), v.amount(2))}
	}
}

// permits is sendsFor with a deadline as the fourth argument.
func permits(a *Action, v values) []Effect {
	effect := effectOn(a, Permit, v.address(0), v.address(1), v.amount(2))
	deadline := v.amount(3)
	effect.Deadline = &deadline
	return []Effect{effect}
}

// permitsDAI is the permit of DAI: all or nothing.
func permitsDAI(a *Action, v values) []Effect {
	return []Effect{permitDAI(*a.To, v.address(0), v.address(1), v.amount(3), v.truth(4))}
}

func permitDAI(token, holder, spender common.Address, expiry uint256.Int, allowed bool) Effect {
	var amount uint256.Int
	if allowed {
		amount = maxUint256()
	}
	effect := newEffect(Permit, token, holder, spender, amount)
	if !expiry.IsZero() { // 0: for ever
		effect.Deadline = &expiry
	}
	return effect
}

// authorizes is an effect of EIP-3009: (from, to, value, validAfter, validBefore, …).
func authorizes(a *Action, v values) []Effect {
	effect := effectOn(a, Transfer, v.address(0), v.address(1), v.amount(2))
	deadline := v.amount(4)
	effect.Deadline = &deadline
	return []Effect{effect}
}

// tokenMethods are those of ERC-20 and its extensions.
func tokenMethods() []definition {
	return []definition{
		{signature: "transfer(address,uint256)", effects: sends(Transfer)},
		{signature: "transferFrom(address,address,uint256)", effects: sendsFor(Transfer)},
		{signature: "approve(address,uint256)", effects: sends(Approve)},
		{signature: "increaseAllowance(address,uint256)", effects: sends(Approve)},
		{signature: "increaseApproval(address,uint256)", effects: sends(Approve)},
		{signature: "decreaseAllowance(address,uint256)"},
		{signature: "decreaseApproval(address,uint256)"},
		{signature: "burn(uint256)", effects: func(a *Action, v values) []Effect {
			return []Effect{effectOn(a, Transfer, a.From, common.Address{}, v.amount(0))}
		}},
		{signature: "burnFrom(address,uint256)", effects: func(a *Action, v values) []Effect {
			return []Effect{effectOn(a, Transfer, v.address(0), common.Address{}, v.amount(1))}
		}},

		// ERC-677 and ERC-1363
		{signature: "transferAndCall(address,uint256)", effects: sends(Transfer)},
		{signature: "transferAndCall(address,uint256,bytes)", effects: sends(Transfer)},
		{signature: "transferFromAndCall(address,address,uint256)", effects: sendsFor(Transfer)},
		{signature: "transferFromAndCall(address,address,uint256,bytes)", effects: sendsFor(Transfer)},
		{signature: "approveAndCall(address,uint256)", effects: sends(Approve)},
		{signature: "approveAndCall(address,uint256,bytes)", effects: sends(Approve)},

		// ERC-777
		{signature: "send(address,uint256,bytes)", effects: sends(Transfer)},
		{signature: "authorizeOperator(address)", effects: func(a *Action, v values) []Effect {
			return []Effect{{Kind: ApproveAll, Token: *a.To, Owner: a.From, Recipient: v.address(0), Amount: maxUint256(), Unlimited: true}}
		}},

		// EIP-2612, DAI, EIP-7597
		{signature: "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", effects: permits},
		{signature: "permit(address,address,uint256,uint256,bytes)", effects: permits},
		{signature: "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)", effects: permitsDAI},

		// EIP-3009
		{signature: "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)", effects: authorizes},
		{signature: "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", effects: authorizes},
		{signature: "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)", effects: authorizes},
		{signature: "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", effects: authorizes},

		// Wrapped ether
		{signature: "deposit()"},
		{signature: "withdraw(uint256)"},
	}
}
