package outbox

// said is a spelling of an answer, a part of the node's text in lower case.
type said struct {
	text string
	answer
}

// spellings returns what nodes say, the special before the general. Whatever is not
// here is unclear. The names are those that nodes know the errors by: geth, Besu,
// Erigon, Nethermind (its newer versions speak as geth does), reth; and those of
// developers' nodes.
func spellings() []said {
	return []said{
		// Not what it contains.
		{"unknown transaction type", refused},
		{"unknown transaction", unclear},

		// Known.
		{"already known", accepted},     // geth, Erigon, reth, Nethermind
		{"alreadyknown", accepted},      // Nethermind
		{"known transaction", accepted}, // Besu, geth before 1.9, Hardhat
		{"already imported", accepted},  // OpenEthereum, Anvil
		{"with same hash", accepted},    // Erigon

		// Its nonce is used on the chain, by another one or by itself.
		{"nonce too low", used},    // geth, Besu, Erigon, reth, Hardhat
		{"nonce is too low", used}, // OpenEthereum
		{"oldnonce", used},         // Nethermind

		// Its nonce has another one in the pool. One that is known itself is said to be.
		{"ownnoncealreadyused", taken},                         // Nethermind
		{"replacement transaction underpriced", taken},         // geth, Besu, Erigon, reth
		{"replacementnotallowed", taken},                       // Nethermind
		{"could not replace existing tx", taken},               // Erigon
		{"another transaction with same nonce", taken},         // OpenEthereum
		{"future transaction tries to replace pending", taken}, // geth

		// Funds.
		{"insufficient funds", refused},
		{"insufficientfunds", refused},                    // Nethermind
		{"upfront cost exceeds account balance", refused}, // Besu
		{"transaction cost overflow", refused},            // Nethermind
		{"int256overflow", refused},                       // Nethermind

		// Gas.
		{"intrinsic gas too low", refused},
		{"intrinsic gas too high", refused},          // reth
		{"intrinsicgas", refused},                    // Erigon
		{"intrinsic gas exceeds gas limit", refused}, // Besu
		{"insufficient gas for floor data gas cost", refused},
		{"exceeds block gas limit", refused},
		{"gas limit reached", refused},
		{"gaslimitexceeded", refused}, // Nethermind
		{"gas limit too high", refused},
		{"gas limit is too high", refused},             // Erigon
		{"exceeds max transaction gas limit", refused}, // reth
		{"gas uint64 overflow", refused},
		{"gasuintoverflow", refused}, // Erigon

		// Fees.
		{"underpriced", refused},
		{"fee too low", refused},     // Erigon
		{"feetoolow", refused},       // Nethermind
		{"gas price below", refused}, // Besu, geth
		{"max fee per gas less than block base fee", refused},
		{"max fee per blob gas less than block blob gas fee", refused},
		{"blob gas price below", refused}, // Besu
		{"max priority fee per gas higher than", refused},
		{"max priority fee per gas exceeds", refused}, // Besu
		{"exceeds the configured cap", refused},       // geth, reth
		{"transaction fee cap exceeded", refused},     // Besu
		{"max fee per gas higher than", refused},

		// Form.
		{"transaction type not supported", refused},
		{"unsupported transaction type", refused}, // Nethermind
		{"notsupportedtxtype", refused},           // Nethermind
		{"invalid transaction type", refused},     // Besu
		{"is not activated yet", refused},         // Erigon
		{"max initcode size exceeded", refused},
		{"initcode too large", refused}, // Erigon
		{"oversized data", refused},
		{"transaction too large", refused}, // Nethermind
		{"maxtxsizeexceeded", refused},     // Nethermind
		{"rlptoolong", refused},            // Erigon
		{"negative value", refused},
		{"invalid sender", refused},
		{"failed to recover sender", refused}, // Nethermind
		{"failedtoresolvesender", refused},    // Nethermind
		{"invalid signature", refused},        // Besu
		{"transaction invalid", refused},      // Nethermind
		{"invalid chain id", refused},
		{"wrong chainid", refused},         // Besu
		{"chainid not supported", refused}, // Besu
		{"only replay-protected", refused}, // geth
		{"sender not an eoa", refused},
		{"sender is not an eoa", refused},                         // reth
		{"senderiscontract", refused},                             // Nethermind
		{"sender account not authorized", refused},                // Besu
		{"plugin has marked the transaction as invalid", refused}, // Besu

		// Nonces that the pool does not hold.
		{"nonce too high", refused},
		{"nonce has max value", refused},
		{"noncegap", refused},                // Nethermind
		{"noncetoofarinfuture", refused},     // Nethermind
		{"nonce too far in future", refused}, // Nethermind
		{"nonce is too distant", refused},    // Besu
		{"gapped-nonce tx from delegated accounts", refused},
		{"delegation nonce gap", refused},      // Nethermind
		{"with a lower nonce exists", refused}, // Besu

		// Pools.
		{"txpool is full", refused},
		{"sub-pool is full", refused}, // Erigon
		{"account limit exceeded", refused},
		{"in-flight transaction limit reached", refused},
		{"already reserved", refused},
		{"pendingtxsof", refused},                                 // Nethermind
		{"pending transaction type conflict", refused},            // Nethermind
		{"delegatorhaspendingtx", refused},                        // Nethermind
		{"delegation authority has pending transaction", refused}, // Nethermind
		{"spammer", refused},                                      // Erigon
		{"transaction pool not enabled", refused},                 // Besu
		{"node is syncing", refused},                              // Nethermind
		{"initial sync is still in progress", refused},            // Besu

		// Blobs and authorizations.
		{"blob transaction", refused},
		{"blob limit exceeded", refused},
		{"blobs limit in txpool is full", refused}, // Erigon
		{"max number of blobs exceeded", refused},  // Erigon
		{"total blob gas too high", refused},       // Besu
		{"missing blob tx sidecar", refused},
		{"sidecar format", refused},
		{"unexpected sidecar version", refused},
		{"kzg verification error", refused},
		{"empty auth", refused},
		{"authorization list", refused},
		{"eip-7702 transaction", refused},
	}
}
