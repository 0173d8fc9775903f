package extapi

import (
	"context"
	"encoding/json"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"

	"github.com/kvclef/kvclef/rules"
)

// GnosisSafeTx is a transaction of a Safe, as its relay spells it. The order of
// the members is Clef's.
type GnosisSafeTx struct {
	// Set in the answer only.
	Signature  hexutil.Bytes           `json:"signature"`
	SafeTxHash common.Hash             `json:"contractTransactionHash"`
	Sender     common.MixedcaseAddress `json:"sender"`

	Safe           common.MixedcaseAddress `json:"safe"`
	To             common.MixedcaseAddress `json:"to"`
	Value          math.Decimal256         `json:"value"`    // wei, a decimal string
	GasPrice       math.Decimal256         `json:"gasPrice"` // wei, a decimal string
	Data           *hexutil.Bytes          `json:"data"`
	Operation      uint8                   `json:"operation"` // 0 CALL, 1 DELEGATECALL
	GasToken       common.Address          `json:"gasToken"`
	RefundReceiver common.Address          `json:"refundReceiver"`
	BaseGas        big.Int                 `json:"baseGas"`
	SafeTxGas      big.Int                 `json:"safeTxGas"`
	Nonce          big.Int                 `json:"nonce"`
	InputExpHash   common.Hash             `json:"safeTxHash"` // what the caller wants signed
	ChainID        *math.HexOrDecimal256   `json:"chainId,omitempty"`
}

// SafeTransaction is the second parameter of account_signGnosisSafeTx.
type SafeTransaction struct{ GnosisSafeTx }

// safeMembers are the names of GnosisSafeTx. Other members are ignored, so that
// a relay's record can be pasted.
var safeMembers = []string{
	"signature", "contractTransactionHash", "sender", "safe", "to", "value", "gasPrice", "data", "operation", "gasToken",
	"refundReceiver", "baseGas", "safeTxGas", "nonce", "safeTxHash", "chainId",
}

// maxSafeMembers bounds the members of a Safe transaction, known and ignored.
// A relay's record has about 40.
const maxSafeMembers = 256

// UnmarshalJSON decodes a Safe transaction. Refused are duplicate members,
// members that differ from a known one in case only (encoding/json would take
// them for it), and absent ones without which nothing sensible is signed.
func (s *SafeTransaction) UnmarshalJSON(raw []byte) error {
	if len(raw) > maxDataJSON {
		return refuse("safe transaction of %d bytes is too large: at most %d", len(raw), maxDataJSON)
	}
	count := 0
	members, err := readMembers(raw, func(string) error {
		if count++; count > maxSafeMembers {
			return refuse("safe transaction has more than %d members", maxSafeMembers)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := checkSafeMembers(members); err != nil {
		return err
	}
	var decoded GnosisSafeTx
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return err
	}
	s.GnosisSafeTx = decoded
	return nil
}

// SignGnosisSafeTx answers account_signGnosisSafeTx: it signs the EIP-712 hash
// of a Safe transaction, which must be the safeTxHash that the caller names,
// for a chain that the signer signs for. The call that the Safe will make is
// validated like a transaction.
func (a *Account) SignGnosisSafeTx(ctx context.Context, address common.MixedcaseAddress, transaction SafeTransaction, methodSelector *string) (answer *GnosisSafeTx, err error) {
	const method = "account_signGnosisSafeTx"
	ctx, of := a.begin(ctx, method)
	defer of.finish(ctx, &err)
	if err := of.enter(ctx); err != nil {
		return nil, err
	}
	tx := &transaction.GnosisSafeTx
	if err := tx.check(); err != nil {
		return nil, err
	}
	findings, call, err := a.validateCall(ctx, methodSelector, tx.call())
	if err != nil {
		return nil, err
	}
	encoded, err := a.matchSafeHash(tx)
	if err != nil {
		return nil, err
	}
	req := a.newRequest(ctx, rules.KindSafe, method, address.Address())
	encoded.describe(req, rules.KindSafe)
	req.Spelling = spelledOtherwise(&address)
	req.Findings = findings
	req.Call = call
	signature, err := a.signMessage(ctx, req)
	if err != nil {
		return nil, err
	}
	tx.Signature, tx.SafeTxHash = signature, req.Digest
	tx.Sender = common.NewMixedcaseAddress(address.Address()) // relays want the checksum
	return tx, nil
}
