package sending_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/extapi"
)

// counter is a contract whose every call adds 1 to its first slot, and which reverts
// with data 0x2a when value comes with the call.
//
//	CALLVALUE PUSH1 0e JUMPI  1 0 SLOAD ADD 0 SSTORE STOP  JUMPDEST 2a 0 MSTORE 20 0 REVERT
const counter = "0x" + "6019600c60003960196000f3" + "34600e57600160005401600055005b602a60005260206000fd"

// partial reads a transaction object.
func partial(t *testing.T, members map[string]any) *extapi.PartialTransaction {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	tx := new(extapi.PartialTransaction)
	if err := json.Unmarshal(text, tx); err != nil {
		t.Fatal(err)
	}
	return tx
}

// mined sends what members say, and waits until it is in a block.
func (s *stage) mined(t *testing.T, members map[string]any) *types.Receipt {
	t.Helper()
	hash, err := s.Send(t.Context(), partial(t, members), "")
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := s.node.WaitMined(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("%v failed in its block", hash)
	}
	return receipt
}

// TestKinds sends one of each kind, of which everything that can be is filled in.
func TestKinds(t *testing.T) {
	s := newStage(t, 4)
	from, to := s.accounts[0], s.accounts[1]

	s.mined(t, map[string]any{"from": from, "to": to, "value": "0x5"})
	s.mined(t, map[string]any{"from": from, "to": to, "value": "0x5", "type": "0x0"})
	s.mined(t, map[string]any{"from": from, "to": to, "value": "0x5", "type": "0x1"})

	contract := s.mined(t, map[string]any{"from": from, "data": counter}).ContractAddress
	s.mined(t, map[string]any{"from": from, "to": contract, "data": "0xd0e30db0"})
	s.mined(t, map[string]any{"from": from, "to": contract, "input": "0xd0e30db0", "accessList": []any{map[string]any{"address": contract, "storageKeys": []common.Hash{{}}}}})
	slot, err := s.node.Client().StorageAt(t.Context(), contract, common.Hash{}, nil)
	if err != nil || slot[31] != 2 {
		t.Errorf("the contract was called %v times, %v", slot, err)
	}

	_, err = s.Send(t.Context(), partial(t, map[string]any{"from": from, "to": contract, "value": "0x1"}), "")
	var code rpc.Error
	var data rpc.DataError
	if !errors.As(err, &code) || code.ErrorCode() != 3 || !errors.As(err, &data) || !strings.HasSuffix(fmt.Sprintf("%s", data.ErrorData()), "2a\"") {
		t.Errorf("a revert is told as %v", err)
	}
	_, err = s.Send(t.Context(), partial(t, map[string]any{"from": from, "to": to, "value": "0xffffffffffffffffffffffff", "gas": "0x5208"}), "")
	if err == nil || !strings.HasPrefix(err.Error(), "insufficient funds for gas * price + value") {
		t.Errorf("funds that do not suffice are told as %v", err)
	}

	// From an account of its own: geth keeps the other for its pool of transactions
	// without blobs until it has noticed that they are mined.
	blob := new(kzg4844.Blob)
	copy(blob[1:], "kvclef")
	receipt := s.mined(t, map[string]any{"from": s.accounts[2], "to": to, "blobs": []hexutil.Bytes{blob[:]}})
	if receipt.Type != types.BlobTxType || receipt.BlobGasUsed == 0 {
		t.Errorf("the blob's receipt is %+v", receipt)
	}
	s.setCode(t, contract)
}

// setCode lets an account of another key run the contract's code.
func (s *stage) setCode(t *testing.T, contract common.Address) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	authorization, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(devnet.ChainID), Address: contract})
	if err != nil {
		t.Fatal(err)
	}
	authority := crypto.PubkeyToAddress(key.PublicKey)
	s.mined(t, map[string]any{"from": s.accounts[3], "to": authority, "authorizationList": []types.SetCodeAuthorization{authorization}})
	slot, err := s.node.Client().StorageAt(t.Context(), authority, common.Hash{}, nil)
	if err != nil || slot[31] != 1 {
		t.Errorf("the code was run %v times, %v", slot, err)
	}
}

// TestReplacing raises the fees of a transaction that waits in a real pool, cancels
// another, and is told so where there is nothing to replace.
func TestReplacing(t *testing.T) {
	s := newStage(t, 2)
	send := func(value string) common.Hash {
		hash, err := s.Send(t.Context(), partial(t, map[string]any{"from": s.accounts[0], "to": s.accounts[1], "value": value}), "")
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	first, second := send("0x1"), send("0x2")
	bumped, err := s.Bump(t.Context(), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Bump(t.Context(), bumped, 50)
	if err != nil {
		t.Fatal(err)
	}
	canceled, err := s.Cancel(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []common.Hash{again, canceled} {
		if _, err := s.node.WaitMined(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
	}
	for _, hash := range []common.Hash{first, bumped, second} {
		if receipt, err := s.node.Client().TransactionReceipt(t.Context(), hash); err == nil {
			t.Errorf("%v is mined: %+v", hash, receipt)
		}
	}
	if _, err := s.Bump(t.Context(), common.Hash{1}, 0); err == nil {
		t.Error("what nobody sent is raised")
	}
}

// TestNonceOfAnother: whose nonce another wallet has used in a real chain is sent with the
// next, at once.
func TestNonceOfAnother(t *testing.T) {
	s := newStage(t, 2)
	other := s.outbox(t)
	payment := func(value string) map[string]any {
		return map[string]any{"from": s.accounts[0], "to": s.accounts[1], "value": value}
	}
	s.mined(t, payment("0x1"))
	far := payment("0x1")
	far["nonce"] = "0x64" // so that the account is busy, and the node not asked for its count
	if _, err := s.Send(t.Context(), partial(t, far), ""); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"0x2", "0x3"} {
		hash, err := other.Send(t.Context(), partial(t, payment(value)), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.node.WaitMined(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
	}
	receipt := s.mined(t, payment("0x4"))
	tx, err := s.Show(t.Context(), receipt.TxHash)
	if err != nil || tx.Nonce != 3 {
		t.Errorf("%+v, %v", tx, err)
	}
}
