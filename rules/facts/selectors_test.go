package facts

import (
	"encoding/hex"
	"testing"
)

// TestSelectors: the signatures are those of the contracts that people use, whose
// selectors block explorers show. A wrong type in a signature would make it one of
// a method that nobody has.
func TestSelectors(t *testing.T) {
	t.Parallel()
	for selector, name := range map[string]string{
		"a9059cbb": "transfer",
		"23b872dd": "transferFrom",
		"095ea7b3": "approve",
		"39509351": "increaseAllowance",
		"42842e0e": "safeTransferFrom",
		"b88d4fde": "safeTransferFrom", // with data
		"f242432a": "safeTransferFrom", // ERC-1155
		"2eb2c2d6": "safeBatchTransferFrom",
		"a22cb465": "setApprovalForAll",
		"d505accf": "permit", // EIP-2612
		"8fcbaf0c": "permit", // DAI
		"e3ee160e": "transferWithAuthorization",
		"ef55bec6": "receiveWithAuthorization",

		"87517c45": "approve",                   // Permit2
		"36c78516": "transferFrom",              // Permit2
		"0d58b1db": "transferFrom",              // Permit2, in a batch
		"2b67b570": "permit",                    // Permit2
		"2a2d80d1": "permit",                    // Permit2, of several
		"30f28b7a": "permitTransferFrom",        // one
		"edd9444b": "permitTransferFrom",        // several
		"137c29fe": "permitWitnessTransferFrom", // one
		"fe8ec1a7": "permitWitnessTransferFrom", // several
		"cc53287f": "lockdown",

		"ac9650d8": "multicall",
		"5ae401dc": "multicall", // with a deadline
		"1f0464d1": "multicall", // with a block
		"252dba42": "aggregate",
		"bce38bd7": "tryAggregate",
		"c3077fa9": "blockAndAggregate",
		"399542e9": "tryBlockAndAggregate",
		"82ad56cb": "aggregate3",
		"174dea71": "aggregate3Value",
		"8d80ff0a": "multiSend",
		"24856bc3": "execute", // Universal Router
		"3593564c": "execute", // Universal Router, with a deadline

		"6a761202": "execTransaction",
		"468721a7": "execTransactionFromModule",
		"7bb37428": "executeUserOp", // the module of Safes
		"b61d27f6": "execute",
		"51945447": "execute", // ERC-6551, Kernel 2
		"47e1da2a": "executeBatch",
		"34fcd5be": "executeBatch",
		"18dfb3c7": "executeBatch",
		"e9ae5c53": "execute", // EIP-7579
		"d691c964": "executeFromExecutor",

		"1fad948c": "handleOps",           // 0.6
		"765e827f": "handleOps",           // 0.7
		"4b1d7cf5": "handleAggregatedOps", // 0.6
		"dbed18e0": "handleAggregatedOps", // 0.7
		"8dd7712f": "executeUserOp",
		"47153f82": "execute",      // OpenZeppelin's MinimalForwarder
		"df905caf": "execute",      // OpenZeppelin's ERC2771Forwarder
		"ccf96b4a": "executeBatch", // the same
		"e024dc7f": "execute",      // GSN
		"0c53c51c": "executeMetaTransaction",
	} {
		raw, err := hex.DecodeString(selector)
		if err != nil {
			t.Fatal(err)
		}
		if m := methods()[[4]byte(raw)]; m == nil || m.RawName != name {
			t.Errorf("%s is not known as %s: %+v", selector, name, m)
		}
	}
}
