package clefjs

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// setCode is a request for a set-code transaction with one authorization.
func setCode() *rules.Request {
	req := transfer(1, big.NewInt(1), nil)
	req.Transaction = types.NewTx(&types.SetCodeTx{
		ChainID: uint256.NewInt(1337), Nonce: 1, To: recipient, Value: uint256.NewInt(1), Gas: 21000,
		GasFeeCap: uint256.NewInt(2e9), GasTipCap: uint256.NewInt(1e9),
		AuthList: []types.SetCodeAuthorization{{ChainID: *uint256.NewInt(1337), Address: recipient, Nonce: 7}},
	})
	return req
}

// TestDeviation26SetCodeNeedsAFileThatLooks: a file that was written for Clef, which drops
// authorizations, approves none unseen.
func TestDeviation26SetCodeNeedsAFileThatLooks(t *testing.T) {
	old := load(t, `function ApproveTx() { return "Approve" }`, Options{})
	if got := judge(t, old, setCode()); got.Verdict != rules.Refer || !strings.Contains(got.Reason, "does not look at authorizationList") {
		t.Errorf("got %v, %q", got.Verdict, got.Reason)
	}
	if got := judge(t, old, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Errorf("without authorizations: got %v, %q", got.Verdict, got.Reason)
	}
	looks := load(t, `function ApproveTx(r) { return JSON.stringify(r.transaction.authorizationList) }`, Options{})
	want := `[{\"chainId\":\"0x539\",\"address\":\"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266\",\"nonce\":\"0x7\",\"yParity\":\"0x0\",\"r\":\"0x0\",\"s\":\"0x0\"}]`
	if got := judge(t, looks, setCode()); !strings.Contains(got.Reason, want) {
		t.Errorf("got %q", got.Reason)
	}
	absent := load(t, `function ApproveTx(r) { return "authorizationList" in r.transaction ? "Reject" : "Approve" }`, Options{})
	if got := judge(t, absent, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Errorf("absent: got %v, %q", got.Verdict, got.Reason)
	}
}
