package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// story is the demonstration: a signer, a node that uses it, and a transfer.
type story struct {
	out          io.Writer
	dir          string
	kvclef, geth string

	signer    *devnet.Signer
	node      *devnet.Node
	account   common.Address
	recipient common.Address
}

// tell runs the steps in their order.
func (s *story) tell(ctx context.Context) error {
	s.recipient = common.HexToAddress("0xC0FFEE254729296a45a3885639AC7E10F9d54979")
	for _, step := range []func(context.Context) error{s.startSigner, s.startNode, s.transfer, s.balances} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end stops the programs, the node first: it uses the signer.
func (s *story) end() error {
	var errs []error
	if s.node != nil {
		errs = append(errs, s.node.Stop())
	}
	if s.signer != nil {
		errs = append(errs, s.signer.Stop())
	}
	return errors.Join(errs...)
}

func (s *story) startSigner(ctx context.Context) (err error) {
	s.title("kvclef dev --approve-all: a signer with an embedded Key Vault")
	folder := filepath.Join(s.dir, "signer")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making the signer's folder: %w", err)
	}
	s.signer, err = devnet.StartSigner(ctx, devnet.SignerConfig{Kvclef: s.kvclef, Dir: folder})
	if err != nil {
		return err
	}
	accounts, err := s.signer.Accounts(ctx)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return errors.New("the signer has no account")
	}
	s.account = accounts[0]
	s.line("account", "%s, its key is in the vault", s.account)
	s.line("socket", "%s", s.signer.IPC())
	return nil
}

func (s *story) startNode(ctx context.Context) (err error) {
	s.title("geth --signer %s: a private chain", s.signer.IPC())
	if s.geth == "" {
		if s.geth, err = devnet.Geth(ctx); err != nil {
			return err
		}
	}
	folder := filepath.Join(s.dir, "chain")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making the chain's folder: %w", err)
	}
	s.node, err = devnet.Start(ctx, devnet.Config{
		Geth: s.geth, Dir: folder, Signer: s.signer.IPC(), Funded: []common.Address{s.account},
	})
	if err != nil {
		return err
	}
	var version string
	var accounts []common.Address
	if err := s.call(ctx, &version, "web3_clientVersion"); err != nil {
		return err
	}
	if err := s.call(ctx, &accounts, "eth_accounts"); err != nil {
		return err
	}
	s.line("node", "%s", version)
	s.line("address", "%s", s.node.URL())
	s.line("accounts", "%v", accounts)
	return s.balances(ctx)
}

func (s *story) transfer(ctx context.Context) error {
	value := big.NewInt(1_500_000_000_000_000_000)
	s.title("eth_sendTransaction: %s to %s", ether(value), s.recipient)
	var hash common.Hash
	err := s.call(ctx, &hash, "eth_sendTransaction", map[string]any{
		"from": s.account, "to": s.recipient, "value": (*hexutil.Big)(value),
	})
	if err != nil {
		return err
	}
	s.line("hash", "%s, signed in the vault and in geth's pool", hash)
	receipt, err := s.node.WaitMined(ctx, hash)
	if err != nil {
		return err
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return fmt.Errorf("transaction %s failed", hash)
	}
	s.line("receipt", "success in block %d, %d gas at %s", receipt.BlockNumber, receipt.GasUsed, gwei(receipt.EffectiveGasPrice))
	return nil
}

// balances prints what both accounts own at the head of the chain.
func (s *story) balances(ctx context.Context) error {
	for _, owner := range []struct {
		name    string
		address common.Address
	}{{"account", s.account}, {"recipient", s.recipient}} {
		balance, err := s.node.Client().BalanceAt(ctx, owner.address, nil)
		if err != nil {
			return fmt.Errorf("reading the balance of %s: %w", owner.address, err)
		}
		s.line("balance", "%s owns %s", owner.name, ether(balance))
	}
	return nil
}

func (s *story) call(ctx context.Context, result any, method string, args ...any) error {
	if err := s.node.RPC().CallContext(ctx, result, method, args...); err != nil {
		return fmt.Errorf("calling %s: %w", method, err)
	}
	return nil
}

func (s *story) title(format string, args ...any) {
	fmt.Fprintf(s.out, "\n"+format+"\n", args...)
}

func (s *story) line(name, format string, args ...any) {
	fmt.Fprintf(s.out, "  %-10s"+format+"\n", append([]any{name}, args...)...)
}
