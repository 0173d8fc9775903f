package clefjs

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
)

func TestMain(m *testing.M) {
	// The matcher's clock ends by itself, some time after the last match.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// testKey is the key that everybody knows.
const testKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

var (
	sender    = common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
	recipient = common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
)

// load loads a rule file, and closes it when the test ends.
func load(t testing.TB, source string, options Options) *Ruleset {
	t.Helper()
	r, err := Load("rules.js", []byte(source), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// judge returns the decision about a request, and forgets what was written.
func judge(t testing.TB, r *Ruleset, req *rules.Request) rules.Decision {
	t.Helper()
	decision, hold, err := r.Evaluate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if hold != nil {
		hold.Drop()
	}
	return decision
}

// keep returns the decision about a request, and keeps what was written.
func keep(t testing.TB, r *Ruleset, req *rules.Request) (rules.Decision, rules.Hold) {
	t.Helper()
	decision, hold, err := r.Evaluate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if hold != nil {
		if err := hold.Keep(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	return decision, hold
}

// transfer is a request for a transaction of some wei, with data.
func transfer(nonce uint64, wei *big.Int, data []byte) *rules.Request {
	to := common.NewMixedcaseAddress(recipient)
	input := hexutil.Bytes(data)
	chain := big.NewInt(1337)
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: chain, Nonce: nonce, To: &recipient, Value: wei, Data: data, Gas: 21000,
		GasFeeCap: big.NewInt(2e9), GasTipCap: big.NewInt(1e9),
	})
	args := &apitypes.SendTxArgs{
		From: common.NewMixedcaseAddress(sender), To: &to, Gas: 21000, Nonce: hexutil.Uint64(nonce), Value: hexutil.Big(*wei),
		MaxFeePerGas: (*hexutil.Big)(big.NewInt(2e9)), MaxPriorityFeePerGas: (*hexutil.Big)(big.NewInt(1e9)),
		Data: &input,
	}
	return &rules.Request{
		ID: "1", Kind: rules.KindTransaction, Method: "account_signTransaction", Account: rules.Account{Address: sender},
		Caller:  rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"},
		Digest:  types.LatestSignerForChainID(chain).Hash(tx),
		ChainID: chain, Transaction: tx, TransactionArgs: args,
	}
}

// message is a request for a personal message.
func message(text string) *rules.Request {
	preimage := []byte(text)
	return &rules.Request{
		ID: "1", Kind: rules.KindText, Method: "account_signData", Account: rules.Account{Address: sender},
		Caller: rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"},
		Digest: crypto.Keccak256Hash(preimage), Preimage: preimage, ContentType: "text/plain",
		Messages: []*apitypes.NameValueType{{Name: "message", Typ: "text/plain", Value: text}},
	}
}

// sign returns the result of signing a request with the test key.
func sign(t testing.TB, req *rules.Request) rules.Result {
	t.Helper()
	key, err := crypto.HexToECDSA(testKey)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(req.Digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	return rules.Result{Outcome: rules.Signed, Signature: [65]byte(signature)}
}

// signerOf returns the signer of a request's chain.
func signerOf(req *rules.Request) types.Signer { return types.LatestSignerForChainID(req.ChainID) }
