package proxy

import "time"

// Observer is told of every call that comes to a proxy: for metrics. It never blocks,
// and nothing that it does changes what a call is answered.
type Observer interface {
	// Called is told what became of a call, and how long that took. The method is one of
	// [NodeMethods] or of [Config.Methods], "" for any other: nothing of it is what a
	// caller made up.
	Called(method string, outcome Outcome, took time.Duration)
}

// Outcome is what became of a call.
type Outcome string

// The outcomes. Of an answer to a batch that is passed on as it comes the beginning is looked
// at, [headSize] of it, and of an encoded one that too: an error after that counts as OK.
const (
	OutcomeOK          Outcome = "ok"          // it was answered; a notification was sent
	OutcomeError       Outcome = "error"       // it was answered with an error, by the node or here
	OutcomeUnreachable Outcome = "unreachable" // no connection to the node, or one that ended too early
	OutcomeTimeout     Outcome = "timeout"     // the node did not answer in time
	OutcomeInvalid     Outcome = "invalid"     // the node answered what is no answer to it
	OutcomeWithheld    Outcome = "withheld"    // the answer is more than is held of answers
	OutcomeRefused     Outcome = "refused"     // it reached neither the node nor a method
	OutcomeCanceled    Outcome = "canceled"    // the caller hung up, or the proxy shut down
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeOK, OutcomeError, OutcomeUnreachable, OutcomeTimeout,
		OutcomeInvalid, OutcomeWithheld, OutcomeRefused, OutcomeCanceled,
	}
}

// NodeMethods returns the methods of a node that are told apart.
func NodeMethods() []string {
	return []string{
		"debug_traceBlockByHash", "debug_traceBlockByNumber", "debug_traceCall", "debug_traceTransaction",
		"eth_blobBaseFee", "eth_blockNumber", "eth_call", "eth_chainId", "eth_createAccessList", "eth_estimateGas",
		"eth_feeHistory", "eth_gasPrice", "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber",
		"eth_getBlockReceipts", "eth_getBlockTransactionCountByHash", "eth_getBlockTransactionCountByNumber",
		"eth_getCode", "eth_getFilterChanges", "eth_getFilterLogs", "eth_getLogs", "eth_getProof", "eth_getStorageAt",
		"eth_getTransactionByBlockHashAndIndex", "eth_getTransactionByBlockNumberAndIndex", "eth_getTransactionByHash",
		"eth_getTransactionCount", "eth_getTransactionReceipt", "eth_maxPriorityFeePerGas",
		"eth_newBlockFilter", "eth_newFilter", "eth_newPendingTransactionFilter",
		"eth_sendRawTransaction", "eth_sendRawTransactionSync", "eth_simulateV1", "eth_subscribe", "eth_syncing",
		"eth_uninstallFilter", "eth_unsubscribe",
		"net_listening", "net_peerCount", "net_version",
		"optimism_outputAtBlock", "optimism_rollupConfig", "optimism_syncStatus",
		"rpc_modules", "txpool_content", "txpool_contentFrom", "txpool_inspect", "txpool_status",
		"web3_clientVersion", "web3_sha3",
	}
}

// namesOf returns the names under which calls are told to an observer, nil if there is
// none.
func namesOf(cfg Config) map[string]string {
	if cfg.Observer == nil {
		return nil
	}
	names := make(map[string]string)
	for _, name := range NodeMethods() {
		names[name] = name
	}
	for name := range cfg.Methods {
		names[name] = name
	}
	return names
}
