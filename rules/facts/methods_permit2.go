package facts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// permit2Methods are those of Permit2, where the token is an argument.
func permit2Methods() []definition {
	const details = "(address,uint160,uint48,uint48)"
	const permitted, asked = "(address,uint256)", "(address,uint256)" // (token, amount), (recipient, amount)
	return []definition{
		{signature: "approve(address,address,uint160,uint48)", effects: func(a *Action, v values) []Effect {
			return []Effect{newEffect(Approve, v.address(0), a.From, v.address(1), v.amount(2))}
		}},
		{signature: "transferFrom(address,address,uint160,address)", effects: func(_ *Action, v values) []Effect {
			return []Effect{newEffect(Transfer, v.address(3), v.address(0), v.address(1), v.amount(2))}
		}},
		{signature: "transferFrom((address,address,uint160,address)[])", effects: func(_ *Action, v values) []Effect {
			var effects []Effect
			for _, t := range v.tuples(0) {
				effects = append(effects, newEffect(Transfer, t.address(3), t.address(0), t.address(1), t.amount(2)))
			}
			return effects
		}},
		{signature: "permit(address,(" + details + ",address,uint256),bytes)", effects: func(_ *Action, v values) []Effect {
			single := v.tuple(1)
			return []Effect{allowance(v.address(0), single.tuple(0), single.address(1), single.amount(2))}
		}},
		{signature: "permit(address,(" + details + "[],address,uint256),bytes)", effects: func(_ *Action, v values) []Effect {
			var effects []Effect
			batch := v.tuple(1)
			for _, d := range batch.tuples(0) {
				effects = append(effects, allowance(v.address(0), d, batch.address(1), batch.amount(2)))
			}
			return effects
		}},
		{signature: "permitTransferFrom((" + permitted + ",uint256,uint256)," + asked + ",address,bytes)", effects: takesOne},
		{signature: "permitTransferFrom((" + permitted + "[],uint256,uint256)," + asked + "[],address,bytes)", effects: takesMany},

		// What else the owner signed, as a hash and its type
		{signature: "permitWitnessTransferFrom((" + permitted + ",uint256,uint256)," + asked + ",address,bytes32,string,bytes)", effects: takesOne},
		{signature: "permitWitnessTransferFrom((" + permitted + "[],uint256,uint256)," + asked + "[],address,bytes32,string,bytes)", effects: takesMany},

		// Take back what was handed over.
		{signature: "lockdown((address,address)[])"},
		{signature: "invalidateNonces(address,address,uint48)"},
		{signature: "invalidateUnorderedNonces(uint256,uint256)"},
	}
}

// allowance is one line of a permit of Permit2: token, amount, expiration, nonce.
func allowance(owner common.Address, details values, spender common.Address, deadline uint256.Int) Effect {
	effect := newEffect(Permit, details.address(0), owner, spender, details.amount(1))
	effect.Deadline = &deadline
	return effect
}

// takesOne is a transfer by a permit that is used at once: (permit, (recipient,
// amount), owner, …). The permit bounds the amount.
func takesOne(_ *Action, v values) []Effect {
	token, asked := v.tuple(0).tuple(0), v.tuple(1)
	return []Effect{newEffect(Transfer, token.address(0), v.address(2), asked.address(0), asked.amount(1))}
}

// takesMany is takesOne in lists, which the contract refuses if they differ in
// length: what is named at all counts.
func takesMany(_ *Action, v values) []Effect {
	permit := v.tuple(0)
	tokens, asked := permit.tuples(0), v.tuples(1)
	effects := make([]Effect, max(len(tokens), len(asked)))
	for i := range effects {
		effects[i] = newEffect(Transfer, common.Address{}, v.address(2), common.Address{}, maxUint256())
		if i < len(tokens) {
			effects[i].Token = tokens[i].address(0)
		}
		if i < len(asked) {
			effects[i] = newEffect(Transfer, effects[i].Token, v.address(2), asked[i].address(0), asked[i].amount(1))
		}
	}
	return effects
}
