package policy

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// forwards is a call of the forwarder "vault", for someone, of a method of USDC.
func forwards(t *testing.T, from common.Address, data []byte) *rules.Request {
	t.Helper()
	return spends(vault, 0, forwarding(t, from, usdcAddress, 0, data))
}

// forwarding is the data of a call of a forwarder.
func forwarding(t *testing.T, from, to common.Address, wei int64, data []byte) []byte {
	t.Helper()
	type request struct {
		Name0, Name1        common.Address
		Name2, Name3, Name4 *big.Int
		Name5               []byte
	}
	zero := new(big.Int)
	return calldatatest.Pack(t, "execute((address,address,uint256,uint256,uint256,bytes),bytes)", request{from, to, big.NewInt(wei), zero, zero, data}, []byte{1})
}

// typedAs is typed data of a struct whose members are all numbers.
func typedAs(primary string, members ...string) *rules.Request {
	data := &apitypes.TypedData{
		Types:       apitypes.Types{"EIP712Domain": {{Type: "uint256", Name: "chainId"}, {Type: "address", Name: "verifyingContract"}}},
		PrimaryType: primary, Message: map[string]any{}, Domain: apitypes.TypedDataDomain{ChainId: math.NewHexOrDecimal256(1), VerifyingContract: vault.Hex()},
	}
	for _, member := range members {
		data.Types[primary] = append(data.Types[primary], apitypes.Type{Type: "uint256", Name: member})
		data.Message[member] = "1"
	}
	return &rules.Request{Kind: rules.KindTypedData, Account: rules.Account{Address: hotAddress}, Principal: "local", ChainID: big.NewInt(1), Digest: common.Hash{7}, TypedData: data}
}

// TestPromisesOfWhatIsPassedOn: what a rule says of tokens holds of calls for
// others and of typed data that is not understood.
func TestPromisesOfWhatIsPassedOn(t *testing.T) {
	t.Parallel()
	stolen := calldatatest.Pack(t, "transfer(address,uint256)", thief, big.NewInt(5))
	order := typedAs("OrderComponents", "offer", "consideration")
	const (
		relay   = `{id: relay, effect: allow, match: {to: vaults, function: "execute((address,address,uint256,uint256,uint256,bytes),bytes)"}}`
		sign    = `{id: sign, effect: allow, match: {kind: [typed_data], account: hot}}`
		known   = `{id: sign, effect: allow, match: {kind: [typed_data], account: hot, inner: any}}`
		notHim  = `{id: no, effect: deny, match: {recipient: "0x6666666666666666666666666666666666666666"}}, `
		bounded = `{id: no, effect: deny, match: {amount: unlimited}}, `
	)
	for name, c := range map[string]struct {
		rules string
		req   *rules.Request
		want  rules.Verdict
	}{
		"for another":                      {relay, forwards(t, paidTo, stolen), rules.Approve},
		"for another, what is denied":      {notHim + relay, forwards(t, paidTo, stolen), rules.Reject},
		"for another, to who isn't denied": {notHim + relay, forwards(t, paidTo, calldatatest.Pack(t, "transfer(address,uint256)", paidTo, big.NewInt(5))), rules.Approve},
		"for another, what can't be seen":  {notHim + relay, forwards(t, paidTo, calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})), rules.Reject},
		"for itself":                       {relay, forwards(t, hotAddress, stolen), rules.Reject},
		"by itself as the forwarder":       {relay, forwards(t, vault, stolen), rules.Reject},

		"an order":                        {sign, order, rules.Reject},
		"an order, known to be one":       {known, order, rules.Approve},
		"an order, where much is denied":  {bounded + known, order, rules.Reject},
		"an order, where one is denied":   {notHim + known, order, rules.Reject},
		"an order is not the effect":      {`{id: sign, effect: allow, match: {effect: [transfer], inner: any}}`, order, rules.Reject},
		"an order is not to a recipient":  {`{id: sign, effect: allow, match: {recipient: payees, inner: any}}`, order, rules.Reject},
		"a letter":                        {sign, typedAs("Mail", "text"), rules.Approve},
		"a letter, where much is denied":  {bounded + sign, typedAs("Mail", "text"), rules.Approve},
		"a letter is not the effect":      {`{id: sign, effect: allow, match: {effect: [transfer]}}`, typedAs("Mail", "text"), rules.Reject},
		"a permit of its own is not one":  {`{id: sign, effect: allow, match: {effect: [permit]}}`, typedAs("Permit", "spender"), rules.Reject},
		"a permit of its own, is denied":  {`{id: no, effect: deny, match: {effect: [permit]}}, ` + known, typedAs("Permit", "spender"), rules.Reject},
		"a permit of its own, by a rule":  {sign, typedAs("Permit", "spender"), rules.Reject},
		"a permit of its own, accepted":   {known, typedAs("Permit", "spender"), rules.Approve},
		"an order by its primary type":    {`{id: sign, effect: allow, match: {primary_type: [OrderComponents], message: {offer: 1}}}`, order, rules.Reject},
		"an order by type and inner: any": {`{id: sign, effect: allow, match: {primary_type: [OrderComponents], message: {offer: 1}, inner: any}}`, order, rules.Approve},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := decideBy(t, c.rules, c.req); got.Verdict != c.want {
				t.Errorf("%v, want %v: %s\n%s", got.Verdict, c.want, got.Reason, got.Explanation)
			}
		})
	}
}

// TestPromisesOfCallsBySignature: what may be a call in the name of who signs is
// one for rules that deny and for limits, whoever made the document.
func TestPromisesOfCallsBySignature(t *testing.T) {
	t.Parallel()
	const (
		sign = `{id: sign, effect: allow, match: {kind: [typed_data], account: hot}}`
		open = `{id: sign, effect: allow, match: {kind: [typed_data], account: hot, inner: any}`
		deny = `{id: no, effect: deny, match: {delegate_call: true}}, `
	)
	for name, tt := range map[string]struct {
		primary, members string
		calls            bool // of which ether may be sent
	}{
		"a Safe's operation": {"SafeOp", "address safe,uint256 nonce,bytes initCode,bytes callData,address entryPoint", true},
		"a sponsored call":   {"SponsoredCallERC2771", "uint256 chainId,address target,bytes data,address user,uint256 userNonce,uint256 userDeadline", true},
		"by a Safe's module": {"ModuleTx", "bytes data,bytes32 salt", true},
		"of another Safe":    {"SafeTx", "address to,uint256 value,bytes data,uint8 operation,uint256 nonce", true},
		"an authorization":   {"Authorization", "address authorizer,address authorized,bool isAuthorized,uint256 nonce,uint256 deadline", false},
		"a manager":          {"Authorization", "address owner,address manager,bool isAllowed,uint256 nonce,uint256 expiry", false},
		"a spender":          {"SpendPermission", "address account,address spender,address token,uint160 allowance", false},
	} {
		req := typedAs(tt.primary)
		for member := range strings.SplitSeq(tt.members, ",") {
			kind, of, _ := strings.Cut(member, " ")
			req.TypedData.Types[tt.primary] = append(req.TypedData.Types[tt.primary], apitypes.Type{Type: kind, Name: of})
		}
		for rules, want := range map[string]rules.Verdict{
			sign:              rules.Reject,
			deny + open + "}": rules.Reject,
			open + "}":        rules.Approve,
			open + `, limits: [{measure: value, max: "1 ether", window: 1h}]}`:              map[bool]rules.Verdict{true: rules.Reject, false: rules.Approve}[tt.calls],
			open + `, limits: [{measure: amount, token: USDC, max: "1 USDC", window: 1h}]}`: rules.Reject,
		} {
			if got := decideBy(t, rules, req); got.Verdict != want {
				t.Errorf("%s: %s: %v, want %v: %s", name, rules, got.Verdict, want, got.Reason)
			}
		}
	}
}

// TestPromisesOfEtherThatIsPassedOn: whoever signed what a forwarder passes on, the
// ether that goes with it is the account's.
func TestPromisesOfEtherThatIsPassedOn(t *testing.T) {
	t.Parallel()
	const (
		relay   = `{id: relay, effect: allow, match: {to: vaults, function: "execute((address,address,uint256,uint256,uint256,bytes),bytes)", value_max: "1 ether"}}`
		listed  = `{id: relay, effect: allow, match: {to: vaults, function: "execute((address,address,uint256,uint256,uint256,bytes),bytes)", value_max: "1 ether", inner: [{to: payees, value_max: "1 ether"}]}}`
		batched = `{id: relay, effect: allow, match: {to: vaults, call: [aggregate], inner: [{to: vaults, function: "execute((address,address,uint256,uint256,uint256,bytes),bytes)"}]}}`
		self    = `{id: relay, effect: allow, match: {to: self}}`
		safe    = `{id: relay, effect: allow, match: {kind: [safe_transaction], to: payees, value_max: "1 ether", inner: [{to: payees, value_max: "1 ether"}]}}`
	)
	type call struct {
		Name0 common.Address
		Name1 []byte
	}
	stolen := calldatatest.Pack(t, "transfer(address,uint256)", thief, big.NewInt(5))
	batch := func(from common.Address) *rules.Request {
		return spends(vault, 0, calldatatest.Pack(t, "aggregate((address,bytes)[])", []call{{vault, forwarding(t, from, usdcAddress, 0, stolen)}}))
	}
	ofSafe := func(to common.Address) *rules.Request {
		return safeTx(rules.KindSafe, paidTo, forwarding(t, thief, to, 1e18, nil), func(m map[string]any) { m["value"] = "1000000000000000000" })
	}
	for name, c := range map[string]struct {
		rules string
		req   *rules.Request
		want  rules.Verdict
	}{
		"to a stranger":                       {relay, spends(vault, 1e18, forwarding(t, thief, thief, 1e18, nil)), rules.Reject},
		"to a stranger, where some are paid":  {listed, spends(vault, 1e18, forwarding(t, thief, thief, 1e18, nil)), rules.Reject},
		"to one who is paid":                  {listed, spends(vault, 1e18, forwarding(t, thief, paidTo, 1e18, nil)), rules.Approve},
		"to nobody: it stays":                 {relay, spends(vault, 1e18, forwarding(t, thief, thief, 0, nil)), rules.Reject},
		"none":                                {relay, spends(vault, 0, forwarding(t, thief, thief, 0, nil)), rules.Approve},
		"of a Safe, to a stranger":            {safe, ofSafe(thief), rules.Reject},
		"of a Safe, to one who is paid":       {safe, ofSafe(paidTo), rules.Approve},
		"none, by a Safe, of a stranger":      {safe, safeTx(rules.KindSafe, paidTo, forwarding(t, thief, usdcAddress, 0, stolen), nil), rules.Approve},
		"none, by a Safe, of its owner":       {safe, safeTx(rules.KindSafe, paidTo, forwarding(t, hotAddress, usdcAddress, 0, stolen), nil), rules.Reject},
		"none, by another contract":           {batched, batch(thief), rules.Approve},
		"none, of the account, by another":    {batched, batch(hotAddress), rules.Reject},
		"none, by the code of the account":    {self, spends(hotAddress, 0, forwarding(t, thief, usdcAddress, 0, stolen)), rules.Reject},
		"none, to who is denied, by its code": {`{id: no, effect: deny, match: {owner: self, recipient: "0x6666666666666666666666666666666666666666"}}, {id: all, effect: allow, match: {to: self, inner: any}}`, spends(hotAddress, 0, forwarding(t, thief, usdcAddress, 0, stolen)), rules.Reject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := decideBy(t, c.rules, c.req); got.Verdict != c.want {
				t.Errorf("%v, want %v: %s\n%s", got.Verdict, c.want, got.Reason, got.Explanation)
			}
		})
	}
}
