package e2e_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/accounts/external"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// externalSigner drives kvclef with go-ethereum's own client of the protocol.
func externalSigner(t *testing.T, c *chain, endpoint string) {
	t.Helper()
	signer, err := external.NewExternalSigner(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := signer.Status(); status != "ok [version=6.1.0]" {
		t.Errorf("status %q", status)
	}
	listed := signer.Accounts()
	if len(listed) != 1 || listed[0].Address != c.account {
		t.Fatalf("accounts %v, want %s", listed, c.account)
	}
	message := []byte("kvclef and accounts/external")
	signature, err := signer.SignText(listed[0], message)
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, signature, message, c.account, 0)
	if _, err := signer.SignText(accounts.Account{Address: common.Address{1}}, message); err == nil {
		t.Error("signed for an account that nobody has")
	}
	for _, data := range unsigned(c) {
		want := types.NewTx(data)
		tx, err := signer.SignTx(listed[0], want, big.NewInt(devnet.ChainID))
		if err != nil {
			t.Errorf("type %d: %v", want.Type(), err)
			continue
		}
		latest := types.LatestSignerForChainID(big.NewInt(devnet.ChainID))
		if got := latest.Hash(tx); got != latest.Hash(want) {
			t.Errorf("type %d: signed %s, want %s", want.Type(), got, latest.Hash(want))
		}
		if sender, err := types.Sender(latest, tx); err != nil || sender != c.account {
			t.Errorf("type %d: sender %s, error %v", want.Type(), sender, err)
		}
	}
}

// unsigned returns a transaction of each type that the client sends whole.
func unsigned(c *chain) []types.TxData {
	id, to := big.NewInt(devnet.ChainID), common.HexToAddress(recipient)
	list := types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}}}}
	return []types.TxData{
		&types.LegacyTx{Nonce: 7, GasPrice: big.NewInt(3e9), Gas: 21000, To: &to, Value: big.NewInt(1)},
		&types.LegacyTx{Nonce: 8, GasPrice: big.NewInt(3e9), Gas: 99000, Data: hexutil.MustDecode(creation)},
		&types.AccessListTx{ChainID: id, Nonce: 9, GasPrice: big.NewInt(3e9), Gas: 30000, To: &to, AccessList: list},
		&types.DynamicFeeTx{ChainID: id, Nonce: 10, GasFeeCap: big.NewInt(3e9), GasTipCap: big.NewInt(1), Gas: 21000, To: &c.account},
	}
}

// transactor deploys and calls a contract through go-ethereum's bindings.
func transactor(t *testing.T, c *chain) {
	t.Helper()
	signer, err := external.NewExternalSigner(c.signer.IPC())
	if err != nil {
		t.Fatal(err)
	}
	opts := bind.NewClefTransactor(signer, accounts.Account{Address: c.account})
	opts.Context = t.Context()
	token, err := abi.JSON(strings.NewReader(`[{"type":"function","name":"transfer","stateMutability":"nonpayable",
		"inputs":[{"name":"to","type":"address"},{"name":"amount","type":"uint256"}],"outputs":[]}]`))
	if err != nil {
		t.Fatal(err)
	}
	address, tx, contract, err := bind.DeployContract(opts, token, hexutil.MustDecode(creation), c.node.Client())
	if err != nil {
		t.Fatal(err)
	}
	if receipt := c.mined(t, tx.Hash(), types.DynamicFeeTxType); receipt.ContractAddress != address {
		t.Errorf("deployed at %s, want %s", receipt.ContractAddress, address)
	}
	tx, err = contract.Transact(opts, "transfer", common.HexToAddress(recipient), big.NewInt(5))
	if err != nil {
		t.Fatal(err)
	}
	c.mined(t, tx.Hash(), types.DynamicFeeTxType)

	// The client tells no chain id for a legacy transaction: it is signed for
	// the signer's only chain, never without one.
	opts.GasPrice = big.NewInt(3e9)
	tx, err = contract.Transact(opts, "transfer", common.HexToAddress(recipient), big.NewInt(6))
	if err != nil {
		t.Fatal(err)
	}
	c.mined(t, tx.Hash(), types.LegacyTxType)
}
