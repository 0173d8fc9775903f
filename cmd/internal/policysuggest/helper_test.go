package policysuggest_test

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata"
)

// address returns an address of one digit.
func address(digit string) common.Address { return common.HexToAddress(strings.Repeat(digit, 40)) }

var (
	hot  = address("1")
	cold = address("2")
	usdc = common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
	apes = address("9")
)

func began() time.Time { return time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC) }

// log is what is observed, made entry by entry.
type log struct {
	all  []policysuggest.Observed
	now  time.Time
	seen int // transactions, for their nonces
}

func newLog() *log { return &log{now: began()} }

// source reads the log.
func (l *log) source() iter.Seq2[policysuggest.Observed, error] {
	return func(yield func(policysuggest.Observed, error) bool) {
		for _, one := range l.all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// signed adds a request that was approved and signed, and returns it.
func (l *log) signed(req *rules.Request) *rules.Request {
	outcome := rules.Signed
	if req.Kind == rules.KindList {
		outcome = rules.NotSigned
	}
	l.add(req, rules.Approve, outcome)
	return req
}

func (l *log) add(req *rules.Request, verdict rules.Verdict, outcome rules.Outcome) {
	l.now = l.now.Add(time.Minute)
	l.all = append(l.all, policysuggest.Observed{Seq: uint64(len(l.all))*2 + 3, Time: l.now, Request: req, Verdict: verdict, Outcome: outcome})
}

// ask is a request of a kind by the local user.
func ask(kind rules.Kind, account common.Address) *rules.Request {
	req := &rules.Request{ID: "R", Kind: kind, Principal: "local", Caller: rules.Caller{Transport: "ipc"}}
	if kind.Signs() {
		req.Account = rules.Account{Address: account, Vault: "prod", Key: map[common.Address]string{hot: "payouts", cold: "treasury"}[account]}
		req.Digest = crypto.Keccak256Hash(fmt.Appendf(nil, "%p", req))
	}
	return req
}

// tx is a transaction with dynamic fees.
func (l *log) tx(to *common.Address, wei int64, data []byte) *rules.Request {
	l.seen++
	return transaction(hot, &types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: uint64(l.seen), To: to, Value: big.NewInt(wei), Data: data,
		Gas: 21_000 + 40*uint64(len(data)), GasFeeCap: big.NewInt(30e9), GasTipCap: big.NewInt(1e9),
	})
}

func transaction(account common.Address, inner types.TxData) *rules.Request {
	req := ask(rules.KindTransaction, account)
	req.Transaction = types.NewTx(inner)
	req.ChainID = req.Transaction.ChainId()
	req.Digest = types.LatestSignerForChainID(req.ChainID).Hash(req.Transaction)
	return req
}

// pack encodes a call.
func pack(t fataler, signature string, arguments ...any) []byte {
	t.Helper()
	method, err := calldata.Parse(signature)
	if err != nil {
		t.Fatalf("%v", err)
	}
	input, err := method.Inputs.Pack(arguments...)
	if err != nil {
		t.Fatalf("%s: %v", signature, err)
	}
	return append(method.ID, input...)
}

// fataler is a test of this package or of rapid.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// typed is typed data. Types are "name: type member,type member".
func typed(account common.Address, chain int64, contract common.Address, primary string, fields map[string]string, message map[string]any) *rules.Request {
	req := ask(rules.KindTypedData, account)
	data := &apitypes.TypedData{
		Types: apitypes.Types{}, PrimaryType: primary, Message: message,
		Domain: apitypes.TypedDataDomain{Name: "USD Coin", Version: "2", VerifyingContract: contract.Hex()},
	}
	all := map[string]string{"EIP712Domain": "string name,string version,address verifyingContract"}
	if chain != 0 {
		all["EIP712Domain"] = "string name,string version,uint256 chainId,address verifyingContract"
		req.ChainID = big.NewInt(chain)
	}
	for name, of := range fields {
		all[name] = of
	}
	for name, of := range all {
		for field := range strings.SplitSeq(of, ",") {
			kind, member, _ := strings.Cut(field, " ")
			data.Types[name] = append(data.Types[name], apitypes.Type{Name: member, Type: kind})
		}
	}
	req.TypedData = data
	return req
}

const permitFields = "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline"

func permit(account common.Address, spender common.Address, value *big.Int, deadline time.Time) *rules.Request {
	return typed(account, 1, usdc, "Permit", map[string]string{"Permit": permitFields}, map[string]any{
		"owner": account.Hex(), "spender": spender.Hex(), "value": value.String(), "nonce": "0", "deadline": fmt.Sprint(deadline.Unix()),
	})
}

const safeFields = "address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice," +
	"address gasToken,address refundReceiver,uint256 nonce"

func safeTx(account, safe, to common.Address, wei int64, data []byte, operation, gasPrice int, nonce int) *rules.Request {
	req := typed(account, 1, safe, "SafeTx", map[string]string{"SafeTx": safeFields}, map[string]any{
		"to": to.Hex(), "value": fmt.Sprint(wei), "data": "0x" + hex.EncodeToString(data), "operation": fmt.Sprint(operation), "safeTxGas": "0", "baseGas": "0",
		"gasPrice": fmt.Sprint(gasPrice), "gasToken": common.Address{}.Hex(), "refundReceiver": common.Address{}.Hex(), "nonce": fmt.Sprint(nonce),
	})
	req.Kind = rules.KindSafe
	req.TypedData.Types["EIP712Domain"] = []apitypes.Type{{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}}
	return req
}

func message(account common.Address, text string) *rules.Request {
	req := ask(rules.KindText, account)
	req.Preimage = fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text)
	req.ContentType = accounts.MimetypeTextPlain
	return req
}

func signIn(account common.Address, domain string, expires time.Time) *rules.Request {
	text := fmt.Sprintf("%s wants you to sign in with your Ethereum account:\n%s\n\nWelcome.\n\nURI: https://%s/login\nVersion: 1\nChain ID: 1\nNonce: 12345678\nIssued At: 2026-01-05T09:00:00Z", domain, account.Hex(), domain)
	if !expires.IsZero() {
		text += "\nExpiration Time: " + expires.UTC().Format(time.RFC3339)
	}
	return message(account, text)
}

func data(account common.Address, contentType string) *rules.Request {
	req := ask(rules.KindData, account)
	req.ContentType = contentType
	return req
}

func million(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e6)) }

func most() *big.Int { return new(uint256.Int).SetAllOne().ToBig() }

// drafted drafts a policy, and fails if that fails.
func drafted(t *testing.T, l *log, options policysuggest.Options) *policysuggest.Draft {
	t.Helper()
	draft, err := policysuggest.Make(t.Context(), l.source, options)
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.Source)
	}
	return draft
}
