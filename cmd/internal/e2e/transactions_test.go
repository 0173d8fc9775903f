package e2e_test

import (
	"maps"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// recipient is an account that nobody has touched before.
const recipient = "0x00000000000000000000000000000000DeaDBeef"

// creation is code that deploys answering, and answering returns 42 to every
// call. Its zeros at the end make it long enough not to be suspicious.
const creation = "0x602a600c600039602a6000f3" + "602a60005260206000f3" +
	"0000000000000000000000000000000000000000000000000000000000000000"

// transactions sends one transaction of each type that eth_sendTransaction
// takes, and finds it in a block.
func transactions(t *testing.T, c *chain) {
	t.Helper()
	var accounts []common.Address
	call(t, c, &accounts, "eth_accounts")
	if len(accounts) != 1 || accounts[0] != c.account {
		t.Fatalf("eth_accounts: %v, want %s alone", accounts, c.account)
	}
	transfer := map[string]any{"from": c.account, "to": recipient, "value": "0xde0b6b3a7640000"}
	tests := []struct {
		name    string
		members map[string]any
		kind    uint8
	}{
		{"legacy", map[string]any{"gasPrice": "0xb2d05e00"}, types.LegacyTxType},
		{"access list", map[string]any{"gasPrice": "0xb2d05e00", "accessList": []any{
			map[string]any{"address": recipient, "storageKeys": []common.Hash{{31: 1}}},
		}}, types.AccessListTxType},
		{"dynamic fee", map[string]any{"maxFeePerGas": "0xb2d05e00", "maxPriorityFeePerGas": "0x3b9aca00"}, types.DynamicFeeTxType},
		{"defaults of geth", nil, types.DynamicFeeTxType},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := with(transfer, test.members)
			before := c.balances(t)
			var hash common.Hash
			call(t, c, &hash, "eth_sendTransaction", args)
			receipt := c.mined(t, hash, test.kind)
			before.check(t, c, receipt, big.NewInt(1e18))
		})
	}
	t.Run("creation", func(t *testing.T) {
		before := c.balances(t)
		var hash common.Hash
		call(t, c, &hash, "eth_sendTransaction", map[string]any{"from": c.account, "data": creation})
		receipt := c.mined(t, hash, types.DynamicFeeTxType)
		before.check(t, c, receipt, new(big.Int))
		code, err := c.node.Client().CodeAt(t.Context(), receipt.ContractAddress, nil)
		if err != nil || hexutil.Encode(code) != "0x"+creation[26:] {
			t.Errorf("deployed %x, error %v", code, err)
		}
	})
}

// blob signs a transaction with one blob (EIP-4844), which eth_sendTransaction
// refuses, and sends what was signed.
func blob(t *testing.T, c *chain) {
	t.Helper()
	t.Run("blob", func(t *testing.T) {
		before := c.balances(t)
		raw, tx := c.signBlob(t)
		if c.fork == devnet.Cancun {
			checkSidecar(t, raw, types.BlobSidecarVersion0, 1)
			return // the pool of geth 1.17 takes no proofs from before Osaka
		}
		checkSidecar(t, raw, types.BlobSidecarVersion1, kzg4844.CellProofsPerBlob)
		var hash common.Hash
		call(t, c, &hash, "eth_sendRawTransaction", raw)
		if hash != tx.Hash() {
			t.Errorf("sent %s, signed %s", hash, tx.Hash())
		}
		receipt := c.mined(t, hash, types.BlobTxType)
		if receipt.BlobGasUsed != params.BlobTxBlobGasPerBlob {
			t.Errorf("blob gas %d, want that of one blob", receipt.BlobGasUsed)
		}
		before.check(t, c, receipt, big.NewInt(1))
	})
}

// signBlob has a transaction with one blob signed, and checks who signed it.
func (c *chain) signBlob(t *testing.T) (raw hexutil.Bytes, tx *types.Transaction) {
	t.Helper()
	nonce, err := c.node.Client().PendingNonceAt(t.Context(), c.account)
	if err != nil {
		t.Fatal(err)
	}
	var signed struct {
		Raw hexutil.Bytes      `json:"raw"`
		Tx  *types.Transaction `json:"tx"`
	}
	call(t, c, &signed, "eth_signTransaction", map[string]any{
		"from": c.account, "to": recipient, "value": "0x1", "gas": "0x5208", "nonce": hexutil.Uint64(nonce),
		"maxFeePerGas": "0xb2d05e00", "maxPriorityFeePerGas": "0x3b9aca00", "maxFeePerBlobGas": "0x3b9aca00",
		"blobs": []kzg4844.Blob{{1: 0xb1, 2: 0x0b}},
	})
	sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(devnet.ChainID)), signed.Tx)
	if err != nil || sender != c.account {
		t.Errorf("sender %s, error %v, want %s", sender, err, c.account)
	}
	return signed.Raw, signed.Tx
}

// checkSidecar checks the blob and its proofs in a raw transaction.
func checkSidecar(t *testing.T, raw []byte, version byte, proofs int) {
	t.Helper()
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	sidecar := tx.BlobTxSidecar()
	if sidecar == nil {
		t.Fatal("no sidecar in the raw transaction")
	}
	if sidecar.Version != version || len(sidecar.Proofs) != proofs || len(sidecar.Blobs) != 1 || sidecar.Blobs[0][1] != 0xb1 {
		t.Errorf("sidecar of version %d with %d proofs and %d blobs, want version %d with %d and one",
			sidecar.Version, len(sidecar.Proofs), len(sidecar.Blobs), version, proofs)
	}
	if hashes := tx.BlobHashes(); !slices.Equal(hashes, sidecar.BlobHashes()) {
		t.Errorf("signed the blob hashes %v, want %v", hashes, sidecar.BlobHashes())
	}
}

// with returns the members of both maps.
func with(base, more map[string]any) map[string]any {
	all := make(map[string]any)
	for _, members := range []map[string]any{base, more} {
		maps.Copy(all, members)
	}
	return all
}
