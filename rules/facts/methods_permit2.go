package facts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// permit2Methods are those of Permit2, where the token is an argument.
func permit2Methods() []definition {
	const details = "(address,uint160,uint48,uint48)"
	const permitted = "(address,uint256)"
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
		{signature: "permitTransferFrom((" + permitted + ",uint256,uint256)," + "(address,uint256),address,bytes)", effects: func(_ *Action, v values) []Effect {
			token, details := v.tuple(0).tuple(0), v.tuple(1)
			return []Effect{newEffect(Transfer, token.address(0), v.address(2), details.address(0), details.amount(1))}
		}},
	}
}

// allowance is one line of a permit of Permit2: token, amount, expiration, nonce.
func allowance(owner common.Address, details values, spender common.Address, deadline uint256.Int) Effect {
	effect := newEffect(Permit, details.address(0), owner, spender, details.amount(1))
	effect.Deadline = &deadline
	return effect
}
