package facts

import (
	"strings"
	"testing"
)

// TestUnread: documents that hand tokens over in a way that is not looked at are
// said to, by the types that people sign, and others are not.
func TestUnread(t *testing.T) {
	t.Parallel()
	const (
		components    = "address offerer,address zone,OfferItem[] offer,ConsiderationItem[] consideration,uint8 orderType,uint256 startTime,uint256 endTime,bytes32 zoneHash,uint256 salt,bytes32 conduitKey,uint256 counter"
		cow           = "address sellToken,address buyToken,address receiver,uint256 sellAmount,uint256 buyAmount,uint32 validTo,bytes32 appData,uint256 feeAmount,string kind,bool partiallyFillable,string sellTokenBalance,string buyTokenBalance"
		inch          = "uint256 salt,address maker,address receiver,address makerAsset,address takerAsset,uint256 makingAmount,uint256 takingAmount,uint256 makerTraits"
		zeroEx        = "address makerToken,address takerToken,uint128 makerAmount,uint128 takerAmount,uint128 takerTokenFeeAmount,address maker,address taker,address sender,address feeRecipient,bytes32 pool,uint64 expiry,uint256 salt"
		zeroExNFT     = "uint8 direction,address maker,address taker,uint256 expiry,uint256 nonce,address erc20Token,uint256 erc20TokenAmount,Fee[] fees,address erc721Token,uint256 erc721TokenId,Property[] erc721TokenProperties"
		operation     = "address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData"
		safeOperation = "address safe,uint256 nonce,bytes initCode,bytes callData,uint128 verificationGasLimit,uint128 callGasLimit,uint256 preVerificationGas,uint128 maxPriorityFeePerGas,uint128 maxFeePerGas,bytes paymasterAndData,uint48 validAfter,uint48 validUntil,address entryPoint"
		forward       = "address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data"
	)
	for name, tt := range map[string]struct {
		primary string
		types   map[string]string
		want    string // why; "" for none
	}{
		"Seaport":                  {"OrderComponents", map[string]string{"OrderComponents": components}, anOrder},
		"Seaport, in bulk":         {"BulkOrder", map[string]string{"BulkOrder": "OrderComponents[2][2] tree", "OrderComponents": components}, anOrder},
		"CoW":                      {"Order", map[string]string{"Order": cow}, anOrder},
		"1inch":                    {"Order", map[string]string{"Order": inch}, anOrder},
		"0x, a limit":              {"LimitOrder", map[string]string{"LimitOrder": zeroEx}, anOrder},
		"0x, a collection":         {"ERC721Order", map[string]string{"ERC721Order": zeroExNFT}, anOrder},
		"0x 2 and 3":               {"Order", map[string]string{"Order": "address makerAddress,address takerAddress,bytes makerAssetData,bytes takerAssetData"}, anOrder},
		"Rarible":                  {"Order", map[string]string{"Order": "address maker,Asset makeAsset,address taker,Asset takeAsset,uint256 salt"}, anOrder},
		"LooksRare":                {"Maker", map[string]string{"Maker": "uint8 quoteType,address collection,address currency,address signer,uint256 price"}, anOrder},
		"Velora":                   {"Order", map[string]string{"Order": "address owner,address beneficiary,address srcToken,address destToken,uint256 srcAmount"}, anOrder},
		"Across":                   {"Deposit", map[string]string{"Deposit": "address depositor,address inputToken,address outputToken,uint256 inputAmount"}, anOrder},
		"an exchange of many":      {"Swap", map[string]string{"Swap": "address tokenIn,address tokenOut,uint256 amountIn"}, anOrder},
		"a user operation":         {"PackedUserOperation", map[string]string{"PackedUserOperation": operation}, aForward},
		"a forwarder":              {"ForwardRequest", map[string]string{"ForwardRequest": forward}, aForward},
		"a relay":                  {"RelayRequest", map[string]string{"RelayRequest": "ForwardRequest request,uint256 fee", "ForwardRequest": forward}, aForward},
		"a meta-transaction":       {"MetaTransaction", map[string]string{"MetaTransaction": "uint256 nonce,address from,bytes functionSignature"}, aForward},
		"a delegation":             {"Delegation", map[string]string{"Delegation": "address delegate,address delegator,bytes32 authority,Caveat[] caveats,uint256 salt"}, aDelegation},
		"an operation or an order": {"PackedUserOperation", map[string]string{"PackedUserOperation": operation, "Other": "address sellToken,address buyToken"}, anOrder},
		"an operation as a permit": {"PermitOperation", map[string]string{"PermitOperation": operation}, aPermit},
		"a loan":                   {"DelegationWithSig", map[string]string{"DelegationWithSig": "address delegatee,uint256 value,uint256 nonce,uint256 deadline"}, aLoan},
		"of a Safe":                {"SafeMessage", map[string]string{"SafeMessage": "bytes message"}, aNested},
		"nested":                   {"TypedDataSign", map[string]string{"TypedDataSign": "Mail contents,string name", "Mail": "string text"}, aNested},
		"nested text":              {"PersonalSign", map[string]string{"PersonalSign": "bytes prefixed"}, aNested},
		"other members":            {"Permit", map[string]string{"Permit": "address owner,address spender,uint256 value,uint256 nonce"}, aPermit},
		"other details":            {"PermitSingle", map[string]string{"PermitSingle": "PermitDetails details,address spender,uint256 sigDeadline", "PermitDetails": "address token,uint256 amount"}, aPermit},
		"a permit for all":         {"PermitForAll", map[string]string{"PermitForAll": "address owner,address operator,bool approved,uint256 nonce,uint256 deadline"}, aPermit},

		"a Safe's operation":       {"SafeOp", map[string]string{"SafeOp": safeOperation}, aForward},
		"one by another name":      {"Operation", map[string]string{"Operation": safeOperation}, aCall},
		"a sponsored call":         {"SponsoredCallERC2771", map[string]string{"SponsoredCallERC2771": "uint256 chainId,address target,bytes data,address user,uint256 userNonce,uint256 userDeadline"}, aCall},
		"by a Safe's module":       {"ModuleTx", map[string]string{"ModuleTx": "bytes data,bytes32 salt"}, aCall},
		"of a Safe by name":        {"SafeTx", map[string]string{"EIP712Domain": "string name,uint256 chainId,address verifyingContract", "SafeTx": safeFields}, aForward},
		"of a Safe with more":      {"SafeTx", map[string]string{"EIP712Domain": "uint256 chainId,address verifyingContract", "SafeTx": safeFields + ",uint256 more"}, aForward},
		"of a wallet":              {"Batch", map[string]string{"Batch": "Call[] calls,uint256 nonce", "Call": "address to,uint256 value,bytes input"}, aCall},
		"many targets":             {"Batch", map[string]string{"Batch": "address[] targets,uint256[] values,bytes[] payloads"}, aCall},
		"a target":                 {"Send", map[string]string{"Send": "address target,bytes payload"}, aCall},
		"a destination":            {"Send", map[string]string{"Send": "address dest,bytes payload"}, aCall},
		"a whole destination":      {"Send", map[string]string{"Send": "address destination,bytes payload"}, aCall},
		"many destinations":        {"Send", map[string]string{"Send": "address[] destinations,bytes[] payloads"}, aCall},
		"a callee":                 {"Send", map[string]string{"Send": "address callee,bytes payload"}, aCall},
		"a contract":               {"Send", map[string]string{"Send": "address contract,bytes payload"}, aCall},
		"the contract's address":   {"Send", map[string]string{"Send": "address contract_address,bytes payload"}, aCall},
		"a call by its hash":       {"Operation", map[string]string{"Operation": "address account,bytes32 callDataHash,uint256 nonce"}, aCall},
		"another call by its hash": {"Operation", map[string]string{"Operation": "address to,bytes32 data_hash,uint256 nonce"}, aCall},
		"a vault's call":           {"SetRelayerApproval", map[string]string{"SetRelayerApproval": "bytes calldata,address sender,uint256 nonce,uint256 deadline"}, aCall},
		"a connector's":            {"Permit", map[string]string{"Permit": "address signer,address sender,uint256 nonce,uint256 deadline,uint256 value,bytes data"}, aPermit},
		"an attestation":           {"Attest", map[string]string{"Attest": "bytes32 schema,address recipient,bool revocable,bytes data"}, aCall}, // nothing tells it apart
		"an authorization":         {"Authorization", map[string]string{"Authorization": "address authorizer,address authorized,bool isAuthorized,uint256 nonce,uint256 deadline"}, anAuthorization},
		"a manager":                {"Authorization", map[string]string{"Authorization": "address owner,address manager,bool isAllowed,uint256 nonce,uint256 expiry"}, anAuthorization},
		"a permitted one":          {"Grant", map[string]string{"Grant": "address who,bool isPermitted"}, anAuthorization},
		"an enabled one":           {"Module", map[string]string{"Module": "address module,bool enabled"}, anAuthorization},
		"an allowance":             {"Grant", map[string]string{"Grant": "address who,bool allowed"}, anAuthorization},
		"several are authorized":   {"Grant", map[string]string{"Grant": "address[] who,bool authorised"}, anAuthorization},
		"an operator":              {"Operator", map[string]string{"Operator": "address operator,bool approved,uint256 nonce"}, anAuthorization},
		"a spender":                {"SpendPermission", map[string]string{"SpendPermission": "address account,address spender,address token,uint160 allowance,uint48 period,uint48 start,uint48 end,uint256 salt,bytes extraData"}, aPermit},
		"another meta-transaction": {"MetaTransaction", map[string]string{"MetaTransaction": "uint256 nonce,address user,bytes functionSignature"}, aCall},
		"data in a list":           {"Batch", map[string]string{"Batch": "uint256 nonce,bytes[] datas"}, aCall},
		"a digest":                 {"WalletMessage", map[string]string{"WalletMessage": "bytes32 orderDigest"}, aNested},
		"a message":                {"WalletMessage", map[string]string{"WalletMessage": "bytes inner_message"}, aNested},
		"a transfer of its own":    {"ReceiveWithAuthorization", map[string]string{"ReceiveWithAuthorization": "address from,address to,uint256 value"}, aPermit},
		"a witness alone":          {"PermitWitnessTransferFrom", map[string]string{"PermitWitnessTransferFrom": "uint256 id"}, aPermit},
		"of a Safe within another": {"Relay", map[string]string{"EIP712Domain": "uint256 chainId,address verifyingContract", "Relay": "SafeTx tx", "SafeTx": safeFields}, aForward},
		"a hash":                   {"WalletMessage", map[string]string{"WalletMessage": "bytes32 hash"}, aNested},
		"across chains":            {"CrossChainOrder", map[string]string{"CrossChainOrder": "address settlementContract,address swapper,uint256 nonce,uint32 deadline,bytes orderData"}, anOrder},

		"a vote with reasons": {"ExtendedBallot", map[string]string{"ExtendedBallot": "uint256 proposalId,uint8 support,address voter,uint256 nonce,string reason,bytes params"}, ""},
		"a cancellation":      {"CancelAuthorization", map[string]string{"CancelAuthorization": "address authorizer,bytes32 nonce"}, ""},
		"a login":             {"Login", map[string]string{"Login": "address wallet,bytes32 challenge,bool remember,uint256 expiry"}, ""},
		"terms":               {"Terms", map[string]string{"Terms": "bytes32 documentHash,address signer"}, ""},
		"an update":           {"Price", map[string]string{"Price": "address token,uint256 price,bytes32 dataId,uint64 time"}, ""},

		"bytes elsewhere":     {"Note", map[string]string{"Note": "string to,bytes body,bytes32 data"}, ""},
		"a hash of no target": {"Document", map[string]string{"Document": "address author,bytes32 metadata"}, ""},
		"a target's hash":     {"Document", map[string]string{"Document": "address to,bytes32 checksum"}, ""},
		"a yes to nobody":     {"Consent", map[string]string{"Consent": "string to,bool approved"}, ""},
		"a long hash":         {"Note", map[string]string{"Note": "string hash"}, ""},
		"a word":              {"Note", map[string]string{"Note": "bytes32 word"}, ""},
		"bytes alone":         {"Note", map[string]string{"Note": "bytes note"}, ""},

		"a letter":      {"Mail", map[string]string{"Mail": "Person from,Person to,string contents", "Person": "string name,address wallet"}, ""},
		"a vote":        {"Ballot", map[string]string{"Ballot": "uint256 proposalId,uint8 support"}, ""},
		"votes":         {"Delegation", map[string]string{"Delegation": "address delegatee,uint256 nonce,uint256 expiry"}, ""},
		"a half":        {"Order", map[string]string{"Order": "address sellToken,uint256 amount"}, ""},
		"in the domain": {"Mail", map[string]string{"Mail": "string text", "EIP712Domain": "string offer,string consideration"}, ""},
	} {
		f := Of(document(tt.primary, tt.types, map[string]any{}), noon())
		checkActions(t, f.Actions)
		if tt.want == "" {
			if len(f.Actions) != 0 {
				t.Errorf("%s: %+v", name, f.Actions)
			}
			continue
		}
		if len(f.Actions) != 1 || f.Actions[0].Opaque != tt.want || *f.Actions[0].To != *f.Typed.Contract || f.Actions[0].From != sender || len(f.Actions[0].Effects) != 0 || f.Actions[0].Decoding != Other {
			t.Errorf("%s: %+v", name, f.Actions)
		}
		if calls := tt.want == aForward || tt.want == aCall || name == "a connector's" || tt.want == aDelegation || strings.HasPrefix(name, "an operation"); f.Actions[0].Calls != calls {
			t.Errorf("%s: lets others make calls: %v", name, f.Actions[0].Calls)
		}
	}
}

// TestUnreadWithoutAContract: a document that names no contract may be good for
// any.
func TestUnreadWithoutAContract(t *testing.T) {
	t.Parallel()
	f := Of(document("Order", map[string]string{"Order": "address sellToken,address buyToken", "EIP712Domain": "string name"}, map[string]any{}), noon())
	if len(f.Actions) != 1 || f.Actions[0].Opaque != anOrder || f.Actions[0].To == nil || *f.Actions[0].To != [20]byte{} {
		t.Errorf("%+v", f.Actions)
	}
}
