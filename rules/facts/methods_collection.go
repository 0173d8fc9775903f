package facts

// collectionMethods are those of ERC-721 and ERC-1155. transferFrom and approve
// look like those of ERC-20, and are read as such.
func collectionMethods() []definition {
	return []definition{
		{signature: "safeTransferFrom(address,address,uint256)", effects: sendsOne},
		{signature: "safeTransferFrom(address,address,uint256,bytes)", effects: sendsOne},
		{signature: "safeTransferFrom(address,address,uint256,uint256,bytes)", effects: func(a *Action, v values) []Effect {
			id := v.amount(2)
			effect := effectOn(a, Transfer, v.address(0), v.address(1), v.amount(3))
			effect.ID = &id
			return []Effect{effect}
		}},
		{signature: "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", effects: sendsMany},
		{signature: "setApprovalForAll(address,bool)", effects: func(a *Action, v values) []Effect {
			effect := Effect{Kind: ApproveAll, Token: *a.To, Owner: a.From, Recipient: v.address(0)}
			if v.truth(1) {
				effect.Amount, effect.Unlimited = maxUint256(), true
			}
			return []Effect{effect}
		}},
	}
}

// sendsOne is the transfer of one token of a collection.
func sendsOne(a *Action, v values) []Effect {
	id := v.amount(2)
	effect := effectOn(a, Transfer, v.address(0), v.address(1), id)
	effect.ID, effect.Single, effect.Unlimited = &id, true, false
	return []Effect{effect}
}

// sendsMany is a batch of ERC-1155. The contract refuses lists of different
// lengths; what is named at all counts.
func sendsMany(a *Action, v values) []Effect {
	ids, amounts := v.numbers(2), v.numbers(3)
	effects := make([]Effect, min(max(len(ids), len(amounts)), MaxEffects+1))
	for i := range effects {
		effects[i] = effectOn(a, Transfer, v.address(0), v.address(1), maxUint256())
		if i < len(amounts) {
			effects[i] = effectOn(a, Transfer, v.address(0), v.address(1), saturated(amounts[i]))
		}
		if i < len(ids) {
			id := saturated(ids[i])
			effects[i].ID = &id
		}
	}
	return effects
}
