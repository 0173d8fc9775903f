package outbox

import (
	"errors"
	"testing"
)

// TestAnswers: what nodes say, as they spell it.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		code int
		text string
		want answer
	}{
		// geth
		{-32000, "already known", accepted},
		{-32000, "nonce too low: next nonce 5, tx nonce 3", used},
		{-32000, "replacement transaction underpriced", taken},
		{-32000, "replacement transaction underpriced: new tx gas fee cap 1 < 2 queued + 10% replacement penalty", taken},
		{-32000, "future transaction tries to replace pending", taken},
		{-32000, "transaction underpriced: tip needed 1, tip permitted 0", refused},
		{-32000, "insufficient funds for gas * price + value: balance 0, tx cost 21000, overshot 21000", refused},
		{-32000, "intrinsic gas too low: gas 20000, minimum needed 21000", refused},
		{-32000, "exceeds block gas limit", refused},
		{-32000, "max fee per gas less than block base fee: address 0x0, maxFeePerGas: 1, baseFee: 2", refused},
		{-32000, "max initcode size exceeded: code size 50000, limit 49152", refused},
		{-32000, "invalid sender: invalid chain id for signer: have 1 want 2", refused},
		{-32000, "transaction type not supported: type 4 rejected, pool not yet in Prague", refused},
		{-32000, "txpool is full", refused},
		{-32000, "oversized data: transaction size 131090, limit 131072", refused},
		{-32000, "tx fee (2.10 ether) exceeds the configured cap (1.00 ether)", refused},
		{-32000, "nonce too high: tx nonce 9, gapped nonce 3", refused},
		{-32000, "transaction gas price below minimum: gas tip cap 0, minimum needed 1", refused},
		{-32000, "insufficient gas for floor data gas cost: gas 1, minimum needed 2", refused},
		{-32000, "address already reserved", refused},
		{-32000, "in-flight transaction limit reached for delegated accounts", refused},
		{-32000, "KZG verification error: invalid proof", refused},
		// Nethermind, older and newer
		{-32010, "AlreadyKnown", accepted},
		{-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3.", used},
		{-32010, "ReplacementNotAllowed", taken},
		{-32010, "OwnNonceAlreadyUsed", taken},
		{-32010, "InsufficientFunds, Account balance: 0, cumulative cost: 21000", refused},
		{-32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2", refused},
		{-32010, "FeeTooLowToCompete", refused},
		{-32010, "GasLimitExceeded, Gas limit: 1, gas limit of rejected tx: 2", refused},
		{-32010, "NonceGap, Future nonce. Expected nonce: 5", refused},
		{-32010, "NotSupportedTxType", refused},
		{-32010, "node is syncing", refused},
		{-32010, "unsupported transaction type", refused},
		// Besu
		{-32000, "Known transaction", accepted},
		{-32001, "Nonce too low", used},
		{-32000, "Replacement transaction underpriced", taken},
		{-32004, "Upfront cost exceeds account balance", refused},
		{-32003, "Intrinsic gas exceeds gas limit", refused},
		{-32005, "Transaction gas limit exceeds block gas limit", refused},
		{-32006, "Nonce too high", refused},
		{-32009, "Gas price below configured minimum gas price", refused},
		{-32009, "Gas price below current base fee", refused},
		{-32000, "Wrong chainId", refused},
		{-32000, "Transaction nonce is too distant from current sender nonce", refused},
		// Erigon
		{-32000, "ALREADY_EXISTS: already known", accepted},
		{-32000, "existing txn with same hash", accepted},
		{-32000, "INTERNAL_ERROR: nonce too low", used},
		{-32000, "could not replace existing tx", taken},
		{-32000, "FEE_TOO_LOW: underpriced", refused},
		{-32000, "INTERNAL_ERROR: insufficient funds", refused},
		{-32000, "pending sub-pool is full", refused},
		{-32000, "IntrinsicGas", refused},
		{-32000, "initcode too large", refused},
		{-32000, "fork supporting this transaction type is not activated yet", refused},
		// reth
		{-32003, "insufficient funds for gas * price + value: have 0 want 21000", refused},
		{-32000, "intrinsic gas too high", refused},
		{-32003, "sender is not an EOA", refused},
		{-32603, "blob transaction missing blob hashes", refused},
		{-32602, "invalid chain ID", refused},
		// others
		{-32010, "Transaction with the same hash was already imported.", accepted},
		{-32010, "Transaction nonce is too low. Try incrementing the nonce.", used},
		{-32000, "Known transaction: 0xabcd", accepted},
		{-32003, "unknown transaction type: 4", refused},
		{-32601, "the method eth_sendRawTransaction does not exist/is not available", refused},
		// unclear
		{-32000, "unknown transaction", unclear},
		{-32603, "Internal error", unclear},
		{-32603, "Timeout expired", unclear},
		{-32005, "daily request count exceeded, request rate limited", unclear},
		{-32000, "header not found", unclear},
		{-32000, "the stars are not right", unclear},
		{-32000, "", unclear},
	} {
		if got, _ := heard(&nodeError{code: test.code, text: test.text}); got != test.want {
			t.Errorf("%q is read as %d, want %d", test.text, got, test.want)
		}
	}
	if got, _ := heard(&faultError{"did not answer"}); got != unclear {
		t.Error("no answer is an answer")
	}
	if got, _ := heard(errors.New("insufficient funds")); got != unclear {
		t.Error("an error that is not the node's is taken for its answer")
	}
	if got, _ := heard(nil); got != accepted {
		t.Error("no error is no acceptance")
	}
}
