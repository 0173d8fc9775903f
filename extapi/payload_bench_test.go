package extapi

import (
	"testing"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// BenchmarkSignBlockPayload signs blocks over HTTP with a key in memory, as a
// sequencer asks: each waits for the one before.
func BenchmarkSignBlockPayload(b *testing.B) {
	w, _ := newEthCaller(b, func(cfg *Config) { cfg.Decider = rules.ApproveAll{} })
	client, err := rpc.DialContext(b.Context(), w.url)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	payload := map[string]any{"domain": zeroDomain, "chainId": "1337", "payloadHash": payloadHash, "senderAddress": testAddress}
	for b.Loop() {
		var signature string
		if err := client.CallContext(b.Context(), &signature, "opsigner_signBlockPayloadV2", payload); err != nil {
			b.Fatal(err)
		}
	}
}
