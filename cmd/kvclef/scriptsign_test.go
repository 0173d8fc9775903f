package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/accounts/external"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdSignTx lets go-ethereum's own client of external signers sign a
// transaction, recovers the sender and prints it: [!] signtx ENDPOINT CHAIN.
// With ! it prints the error.
func cmdSignTx(ts *testscript.TestScript, neg bool, args []string) {
	dial(ts, args[0]).Close()
	sender, err := signTx(ts.MkAbs(args[0]), args[0], args[1])
	switch {
	case err != nil && neg:
		fmt.Fprintln(ts.Stdout(), err)
	case err != nil:
		ts.Fatalf("%v", err)
	case neg:
		ts.Fatalf("signed by %s, want an error", sender)
	default:
		fmt.Fprintln(ts.Stdout(), sender)
	}
}

func signTx(path, endpoint, chain string) (common.Address, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = path
	}
	wallet, err := external.NewExternalSigner(endpoint)
	if err != nil {
		return common.Address{}, err
	}
	held := wallet.Accounts()
	if len(held) == 0 {
		return common.Address{}, errors.New("the signer lists no account")
	}
	id, ok := new(big.Int).SetString(chain, 10)
	if !ok {
		return common.Address{}, fmt.Errorf("chain id %q", chain)
	}
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: id, Nonce: 7, To: &to, Value: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(2e9), GasTipCap: big.NewInt(1e9),
	})
	signed, err := clefSign(wallet, held[0], tx)
	if err != nil {
		return common.Address{}, err
	}
	if signed.Nonce() != 7 || signed.Value().Cmp(tx.Value()) != 0 || *signed.To() != to || signed.ChainId().Cmp(id) != 0 {
		return common.Address{}, fmt.Errorf("another transaction came back: %+v", signed)
	}
	sender, err := types.Sender(types.LatestSignerForChainID(id), signed)
	if err == nil && sender != held[0].Address {
		err = fmt.Errorf("signed by %s, want %s", sender, held[0].Address)
	}
	return sender, err
}

// clefSign takes the way that contract bindings take.
func clefSign(wallet *external.ExternalSigner, account accounts.Account, tx *types.Transaction) (*types.Transaction, error) {
	opts := bind.NewClefTransactor(wallet, account)
	opts.Context = context.Background()
	return opts.Signer(account.Address, tx)
}
