package policy

import (
	"crypto/ecdsa"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

var (
	payouts  = common.HexToAddress("0x1111111111111111111111111111111111111111")
	delegate = common.HexToAddress("0x6666666666666666666666666666666666666666")
)

// header is what policies of these tests declare.
const header = `version: 1
chains: {mainnet: 1, sepolia: 11155111}
accounts: {payouts: "0x1111111111111111111111111111111111111111", other: "0x2222222222222222222222222222222222222222"}
lists: {ours: [payouts, other], codes: ["0x6666666666666666666666666666666666666666"]}
rules:
`

// asked makes the predicate of one word, such as "gas_max: 21000".
func asked(t *testing.T, effect, line string) predicate {
	t.Helper()
	p, err := Load("p", []byte(header+"  - {id: a, effect: "+effect+", match: {"+line+"}}"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.rules[0].Match.Request[0]
}

// transactionOf is a request for a transaction of the account payouts.
func transactionOf(data types.TxData) *rules.Request {
	return &rules.Request{
		Kind: rules.KindTransaction, Method: "account_signTransaction", Principal: "local", Caller: rules.Caller{Transport: "ipc"},
		Account: rules.Account{Address: payouts, Vault: "prod", Key: "payouts", Version: "1", Tags: map[string]string{"team": "payments", "stage": "2"}},
		ChainID: big.NewInt(1), Transaction: types.NewTx(data),
	}
}

// authorization hands an account over.
func authorization(t testing.TB, key *ecdsa.PrivateKey, chain uint64, contract common.Address) types.SetCodeAuthorization {
	t.Helper()
	signed, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(chain), Address: contract})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// requestsOf are the requests that words are asked about.
func requestsOf(t testing.TB) map[string]*rules.Request {
	t.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	gwei, to := big.NewInt(1e9), payouts
	legacy := transactionOf(&types.LegacyTx{Nonce: 5, GasPrice: gwei, Gas: 21000, To: &to, Value: big.NewInt(1)})
	handover := func(list ...types.SetCodeAuthorization) *rules.Request {
		return transactionOf(&types.SetCodeTx{ChainID: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 50000, To: to, AuthList: list})
	}
	elsewhere := transactionOf(&types.DynamicFeeTx{ChainID: big.NewInt(5), GasTipCap: gwei, GasFeeCap: big.NewInt(3e9), Gas: 30000, To: &to, Nonce: 6})
	elsewhere.ChainID, elsewhere.Principal, elsewhere.Caller.Transport, elsewhere.Method = big.NewInt(5), "batcher.prod", "http", "eth_signTransaction"
	elsewhere.Account = rules.Account{Address: delegate}
	return map[string]*rules.Request{
		"legacy":    legacy,
		"elsewhere": elsewhere,
		"dynamic": transactionOf(&types.DynamicFeeTx{
			ChainID: big.NewInt(1), GasTipCap: gwei, GasFeeCap: big.NewInt(3e9), Gas: 30000, To: &to, Nonce: 6, Value: big.NewInt(1e18),
			AccessList: types.AccessList{{Address: to}},
		}),
		"blobs": transactionOf(&types.BlobTx{
			ChainID: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 21000, To: to,
			BlobFeeCap: uint256.NewInt(7), BlobHashes: []common.Hash{{1}, {1, 1}},
		}),
		"creation": transactionOf(&types.DynamicFeeTx{ChainID: big.NewInt(1), GasTipCap: gwei, GasFeeCap: gwei, Gas: 60000, Data: []byte{0x60, 0x00}}),
		"handover": handover(authorization(t, key, 1, delegate)),
		"anychain": handover(authorization(t, key, 0, delegate), authorization(t, key, 1, payouts)),
		"takeback": handover(authorization(t, key, 1, common.Address{})),
		"text":     {Kind: rules.KindText, Method: "account_signData", Principal: "local", Caller: rules.Caller{Transport: "ipc"}, Account: rules.Account{Address: payouts}},
		"list":     {Kind: rules.KindList, Method: "account_list", Principal: "anonymous", Caller: rules.Caller{Transport: "ws"}},
	}
}

// TestRequestWords asks each word about requests for which it holds, and about
// others: for all requests that are not named it is false.
func TestRequestWords(t *testing.T) { // not parallel: it counts allocations
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) // a Thursday, 13:00 in Berlin
	transactions := []string{"legacy", "elsewhere", "dynamic", "blobs", "creation", "handover", "anychain", "takeback"}
	all := append([]string{"text", "list"}, transactions...)
	here := []string{"legacy", "dynamic", "blobs", "creation", "handover", "anychain", "takeback"}
	signed := append([]string{"text"}, here...)
	without := func(from []string, names ...string) []string {
		var left []string
		for _, name := range from {
			if !slices.Contains(names, name) {
				left = append(left, name)
			}
		}
		return left
	}
	initCode := crypto.Keccak256Hash([]byte{0x60, 0x00}).Hex()
	allocating := []string{"blobs", "handover", "anychain", "takeback"} // by types.Transaction
	requests := requestsOf(t)
	for _, test := range []struct {
		line string
		want []string
	}{
		{"principal: [local, nobody]", signed},
		{"principal: batcher.prod", []string{"elsewhere"}},
		{"listener: [http, ws]", []string{"elsewhere", "list"}},
		{"method: [account_list, account_signData]", []string{"text", "list"}},
		{"kind: transaction", transactions},
		{"kind: [text, list]", []string{"text", "list"}},
		{"account: payouts", signed},
		{"account: ours", signed},
		{`account: [other, "0x6666666666666666666666666666666666666666"]`, []string{"elsewhere"}},
		{"vault: prod", here},
		{"vault: dev", nil},
		{"key: [prod/payouts, prod/other]", here},
		{"key: prod/other", nil},
		{"tag: {team: payments}", here},
		{"tag: {team: payments, stage: 2}", here},
		{"tag: {team: payments, stage: 3}", nil},
		{"tag: {owner: payments}", nil},
		{`tag: {owner: ""}`, nil},
		{"chain: mainnet", here},
		{"chain: [sepolia, 5]", []string{"elsewhere"}},
		{"tx_type: 0", []string{"legacy"}},
		{"tx_type: [3, 4]", []string{"blobs", "handover", "anychain", "takeback"}},
		{"create: true", []string{"creation"}},
		{"create: false", without(transactions, "creation")},
		{"init_code_hash: " + `"` + initCode + `"`, []string{"creation"}},
		{"init_code_hash: " + `"` + common.Hash{1}.Hex() + `"`, nil},
		{"init_code_hash: " + `"` + common.Hash{}.Hex() + `"`, nil},
		{"gas_max: 21000", []string{"legacy", "blobs"}},
		{"gas_max: 20999", nil},
		{"fee_cap_max: 1 gwei", without(transactions, "dynamic", "elsewhere")},
		{"fee_cap_max: 2 wei", []string{"blobs", "handover", "anychain", "takeback"}},
		{"tip_cap_max: 1 gwei", transactions},
		{"tip_cap_max: 1 wei", []string{"blobs", "handover", "anychain", "takeback"}},
		{"blob_fee_cap_max: 7 wei", transactions},
		{"blob_fee_cap_max: 6 wei", without(transactions, "blobs")},
		{"blobs_max: 2", transactions},
		{"blobs_max: 1", without(transactions, "blobs")},
		{"gas_cost_max: 1877008 wei", []string{"blobs", "handover", "anychain", "takeback"}}, // 2 × 21000 + 7 × 262144
		{"gas_cost_max: 1877007 wei", []string{"handover", "anychain", "takeback"}},
		{"gas_cost_max: 0.00009 ether", transactions},
		{"spend_max: 1.00009 ether", transactions},
		{"spend_max: 1 ether", without(transactions, "dynamic")},
		{"spend_max: 0.000021000000000001 ether", []string{"legacy", "blobs", "handover", "anychain", "takeback"}},
		{"spend_max: 0.000021 ether", []string{"blobs", "handover", "anychain", "takeback"}},
		{"nonce_max: 5", without(transactions, "dynamic", "elsewhere")},
		{"access_list: true", []string{"dynamic"}},
		{"access_list: false", without(transactions, "dynamic")},
		{"delegate_to: codes", []string{"handover"}},
		{"delegate_to: [codes, payouts]", []string{"handover", "anychain"}},
		{"delegate_to: none", []string{"takeback"}},
		{"delegate_any_chain: true", []string{"anychain"}},
		{"delegate_any_chain: false", without(transactions, "anychain")},
		{"time: {days: [thu], zone: UTC}", all},
		{"time: {days: [wed, thu, fri], zone: UTC}", all},
		{"time: {days: [mon, tue, wed, fri, sat, sun], zone: UTC}", nil},
		{`time: {hours: "13:00-13:01", zone: Europe/Berlin}`, all},
		{`time: {hours: "12:59-13:00", zone: Europe/Berlin}`, nil},
		{`time: {hours: "22:00-13:01", zone: Europe/Berlin}`, all},
		{`time: {hours: "13:01-13:00", zone: Europe/Berlin}`, nil},
		{`time: {hours: "12:00-24:00", zone: UTC}`, all},
		{`time: {days: fri, zone: Pacific/Kiritimati}`, all}, // 02:00 on Friday
		{`not_before: "2026-11-26T13:00:00+01:00"`, all},
		{`not_before: "2026-11-26T12:00:01Z"`, nil},
		{`not_before: "9999-12-31T23:59:59Z"`, nil},
		{`not_before: "0000-01-01T00:00:00+23:59"`, all},
		{`not_after: "9999-12-31T23:59:59Z"`, all},
		{`not_after: "0000-01-01T00:00:00+23:59"`, nil},
		{`not_after: "2026-11-26T12:00:00Z"`, all},
		{`not_after: "2026-11-26T12:59:59+01:00"`, nil},
	} {
		t.Run(test.line, func(t *testing.T) {
			p := asked(t, "allow", test.line)
			for name, req := range requests {
				s := &subject{Facts: facts.Of(req, at)}
				want := is(slices.Contains(test.want, name))
				if got := p.test(s); got != want {
					t.Errorf("%s: %v, want %v (got %s, wants %s)", name, got, want, p.got(s), p.want())
				}
				if p.got(s) == "" || p.want() == "" {
					t.Errorf("%s: got %q, want %q", name, p.got(s), p.want())
				}
				if n := testing.AllocsPerRun(1, func() { p.test(s) }); n > 0 && !slices.Contains(allocating, name) {
					t.Errorf("%s: %v allocations", name, n)
				}
			}
		})
	}
}

// TestDelegateDenied: a rule that denies holds if one of the accounts is handed
// over to what it names.
func TestDelegateDenied(t *testing.T) {
	t.Parallel()
	requests := requestsOf(t)
	p := asked(t, "deny", "delegate_to: codes")
	for name, want := range map[string]truth{"handover": isTrue, "anychain": isTrue, "takeback": isFalse, "legacy": isFalse, "text": isFalse} {
		if got := p.test(&subject{Facts: facts.Of(requests[name], time.Now())}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestLargeChains: the id of a chain is more than its low 64 bits.
func TestLargeChains(t *testing.T) {
	t.Parallel()
	req := requestsOf(t)["dynamic"]
	req.ChainID = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1))
	if got := asked(t, "allow", "chain: mainnet").test(&subject{Facts: facts.Of(req, time.Now())}); got != isFalse {
		t.Errorf("%v", got)
	}
}

// TestSummerTime: hours are those of the clock on the wall.
func TestSummerTime(t *testing.T) {
	t.Parallel()
	p := asked(t, "allow", `time: {hours: "08:00-18:00", zone: Europe/Berlin}`)
	for _, test := range []struct {
		at   string
		want truth
	}{
		{"2026-07-01T06:00:00Z", isTrue},
		{"2026-07-01T05:59:59Z", isFalse},
		{"2026-07-01T16:00:00Z", isFalse},
		{"2026-12-01T06:59:59Z", isFalse},
		{"2026-12-01T07:00:00Z", isTrue},
		{"2026-12-01T16:59:59Z", isTrue},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.test(&subject{Facts: &facts.Facts{Request: &rules.Request{}, Time: at}}); got != test.want {
			t.Errorf("%s: %v, want %v", test.at, got, test.want)
		}
	}
}

// TestNights: hours that go over midnight belong to the day on which they begin.
func TestNights(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night := week{from: 22 * 60, to: 6 * 60, zone: berlin}
	night.days[time.Friday] = true
	shift := week{from: 8 * 60, to: 18 * 60, zone: berlin}
	shift.days[time.Friday] = true
	for at, want := range map[string][2]bool{ // the night, and the day
		"2026-01-08T23:00:00": {false, false}, // a Thursday
		"2026-01-09T03:00:00": {false, false},
		"2026-01-09T12:00:00": {false, true},
		"2026-01-09T21:59:00": {false, false},
		"2026-01-09T22:00:00": {true, false},
		"2026-01-10T00:00:00": {true, false},
		"2026-01-10T05:59:00": {true, false},
		"2026-01-10T06:00:00": {false, false},
		"2026-01-10T12:00:00": {false, false},
		"2026-01-10T22:00:00": {false, false},
		"2026-03-28T03:00:00": {true, false},
	} {
		local, err := time.ParseInLocation("2006-01-02T15:04:05", at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{night.has(local.UTC()), shift.has(local.UTC())}; got != want {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	sunday := shift
	sunday.days, sunday.from, sunday.to = [7]bool{time.Saturday: true}, 22*60, 6*60
	if !sunday.has(time.Date(2026, 1, 11, 3, 0, 0, 0, berlin)) || sunday.has(time.Date(2026, 1, 10, 3, 0, 0, 0, berlin)) {
		t.Error("the night from Saturday to Sunday")
	}
}
