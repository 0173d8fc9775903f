package e2e_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// text signs a personal message through eth_sign.
func text(t *testing.T, c *chain) {
	t.Helper()
	t.Run("eth_sign", func(t *testing.T) {
		message := []byte("kvclef and geth")
		var signature hexutil.Bytes
		call(t, c, &signature, "eth_sign", c.account, hexutil.Bytes(message))
		checkText(t, signature, message, c.account, 27)
	})
}

// checkText checks a 65-byte signature of a personal message (EIP-191) whose
// last byte is the y parity plus offset.
func checkText(t *testing.T, signature, message []byte, account common.Address, offset byte) {
	t.Helper()
	if len(signature) != crypto.SignatureLength {
		t.Fatalf("signature of %d bytes", len(signature))
	}
	rsv := append([]byte(nil), signature...)
	rsv[64] -= offset
	key, err := crypto.SigToPub(accounts.TextHash(message), rsv)
	if err != nil || crypto.PubkeyToAddress(*key) != account {
		t.Errorf("signature %x is not by %s: %v", signature, account, err)
	}
}

// restart ends kvclef under a running geth and starts it again: geth refuses to
// send in between and goes on by itself afterwards.
func restart(t *testing.T, p programs, c *chain) {
	t.Helper()
	t.Run("restart", func(t *testing.T) {
		if err := c.signer.Stop(); err != nil {
			t.Fatal(err)
		}
		var hash common.Hash
		transfer := map[string]any{"from": c.account, "to": recipient, "value": "0x1"}
		if err := c.node.RPC().CallContext(t.Context(), &hash, "eth_sendTransaction", transfer); err == nil {
			t.Fatal("sent a transaction without a signer")
		}
		var listed []common.Address
		call(t, c, &listed, "eth_accounts")
		if len(listed) != 0 {
			t.Fatalf("accounts without a signer: %v", listed)
		}

		c.signer = p.start(t, c, false)
		call(t, c, &listed, "eth_accounts")
		if len(listed) != 1 || listed[0] != c.account {
			t.Fatalf("accounts after the restart: %v, want %s", listed, c.account)
		}
		call(t, c, &hash, "eth_sendTransaction", transfer)
		c.mined(t, hash, types.DynamicFeeTxType)
	})
}
