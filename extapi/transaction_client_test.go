package extapi

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/external"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// TestClientTransactions sends each type of transaction with go-ethereum's own
// client of external signers; what comes back is what was sent, signed. Of
// blobs the client drops what was answered; TestSignBlobs looks at that.
func TestClientTransactions(t *testing.T) {
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = rules.ApproveAll{} })
	server := unchecked(t, account, ServerConfig{}) // the client has no method to close it
	wallet, err := external.NewExternalSigner(server.cfg.IPCPath)
	if err != nil {
		t.Fatal(err)
	}
	var (
		chain   = big.NewInt(1337)
		word    = uint256.NewInt(1337)
		to      = common.HexToAddress(testRecipient)
		data    = common.FromHex("0xa9059cbb" + "000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266" + "0000000000000000000000000000000000000000000000000000000000000001")
		code    = make([]byte, 100)
		list    = types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}, {2}}}, {Address: common.Address{9}, StorageKeys: []common.Hash{}}}
		gwei    = big.NewInt(1e9)
		largest = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	)
	blob := func(version byte) types.TxData {
		sidecar := testBlobs(t, 2, version)
		return &types.BlobTx{
			ChainID: word, Nonce: 1, GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 21000, To: to, Value: uint256.NewInt(3),
			Data: data, AccessList: list, BlobFeeCap: uint256.NewInt(4), BlobHashes: sidecar.BlobHashes(), Sidecar: sidecar,
		}
	}
	for name, c := range map[string]struct {
		data  types.TxData
		chain *big.Int
	}{
		"legacy":               {&types.LegacyTx{Nonce: 1, GasPrice: gwei, Gas: 21000, To: &to, Value: gwei, Data: data}, chain},
		"legacy without chain": {&types.LegacyTx{GasPrice: gwei, Gas: 21000, To: &to}, nil},
		"legacy creation":      {&types.LegacyTx{GasPrice: gwei, Gas: 21000, Data: code}, chain},
		"legacy, all value":    {&types.LegacyTx{Nonce: 1<<64 - 2, GasPrice: largest, Gas: 1<<64 - 1, To: &to, Value: largest}, chain},
		"access list":          {&types.AccessListTx{ChainID: chain, Nonce: 1, GasPrice: gwei, Gas: 21000, To: &to, Value: gwei, Data: data, AccessList: list}, chain},
		"access list, empty":   {&types.AccessListTx{ChainID: chain, GasPrice: gwei, Gas: 21000, To: &to, AccessList: types.AccessList{}}, nil},
		"dynamic fee":          {&types.DynamicFeeTx{ChainID: chain, Nonce: 1, GasTipCap: gwei, GasFeeCap: gwei, Gas: 21000, To: &to, Value: gwei, Data: data, AccessList: list}, chain},
		"dynamic fee creation": {&types.DynamicFeeTx{ChainID: chain, GasTipCap: gwei, GasFeeCap: gwei, Gas: 21000, Data: code}, chain},
		"blobs":                {blob(types.BlobSidecarVersion0), chain},
		"blobs, cell proofs":   {blob(types.BlobSidecarVersion1), chain},
	} {
		t.Run(name, func(t *testing.T) {
			asked := types.NewTx(c.data)
			got, err := wallet.SignTx(accounts.Account{Address: common.HexToAddress(testAddress)}, asked, c.chain)
			if err != nil {
				t.Fatal(err)
			}
			signer := types.LatestSignerForChainID(chain)
			if got.Type() != asked.Type() || signer.Hash(got) != signer.Hash(asked) {
				t.Errorf("another transaction came back: %+v, asked %+v", got, asked)
			}
			if sender, err := types.Sender(signer, got); err != nil || sender != common.HexToAddress(testAddress) {
				t.Errorf("the sender is %v (%v)", sender, err)
			}
		})
	}
}
