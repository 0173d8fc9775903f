package facts

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

const multiSendSignature = "multiSend(bytes)"

// batchContracts are Safe's own MultiSend and MultiSendCallOnly, versions 1.1.1
// to 1.5.0, as deployed on all chains. Another contract may have a method of the
// same name, and do anything when a Safe lends it its powers.
var batchContracts = sync.OnceValue(func() map[common.Address]bool {
	all := make(map[common.Address]bool)
	for _, text := range []string{
		"0x8D29bE29923b68abfDD21e541b9374737B49cdAD", // 1.1.1

		"0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761", // 1.3.0
		"0x998739BFdAAdde7C933B942a68053933098f9EDa",
		"0x0dFcccB95225ffB03c6FBB2559B530C2B7C8A912",
		"0x40A2aCCbd92BCA938b02010E17A5b8929b49130D", // only calls
		"0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B",
		"0xf220D3b4DFb23C4ade8C88E526C1353AbAcbC38F",

		"0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526", // 1.4.1
		"0x309D0B190FeCCa8e1D5D8309a16F7e3CB133E885",
		"0x9641d764fc13c8B624c04430C7356C1C7C8102e2", // only calls
		"0x0408EF011960d02349d50286D20531229BCef773",

		"0x218543288004CD07832472D464648173c77D7eB7", // 1.5.0
		"0xA83c336B20401Af773B6219BA5027174338D1836", // only calls
	} {
		all[common.HexToAddress(text)] = true
	}
	return all
})

// isBatch tells whether a delegate call does nothing but the calls of its batch.
func isBatch(m *method, contract common.Address) bool {
	return m.Sig == multiSendSignature && batchContracts()[contract]
}

// multiSend is Safe's batch: for each call one byte of operation, the target, the
// value, the length of the data, and the data, without padding. A Safe runs it by
// a delegate call, so that the calls are the Safe's own.
func multiSend(a *Action, v values) inner {
	const header = 1 + 20 + 32 + 32
	from := *a.To
	if a.Delegate {
		from = a.From
	}
	var within inner
	for rest := v.bytes(0); len(rest) > 0; {
		if len(rest) < header || rest[0] > 1 {
			within.opaque = "the batch is malformed"
			return within
		}
		length := new(uint256.Int).SetBytes32(rest[header-32 : header])
		if !length.IsUint64() || length.Uint64() > uint64(len(rest)-header) { //nolint:gosec // what is left is not negative
			within.opaque = "the batch is malformed"
			return within
		}
		if len(within.actions) > MaxActions {
			return within // the one too many is noticed
		}
		end := header + int(length.Uint64()) // #nosec G115 -- at most the length of the data
		target := common.BytesToAddress(rest[1:21])
		if target == (common.Address{}) {
			within.opaque = zeroTarget
		}
		within.actions = append(within.actions, Action{
			Path: nth("transactions", len(within.actions)), From: from, To: &target, Value: *new(uint256.Int).SetBytes32(rest[21:53]),
			Data: rest[header:end:end], Delegate: rest[0] == 1,
		})
		rest = rest[end:]
	}
	return within
}

// zeroTarget says why a call of the zero address is not what it seems: batches
// of Safe 1.5 and of ERC-7821 put the account in its place.
const zeroTarget = "a call of the zero address may be one of the account itself"
