package policy

// The ids of warnings, by which a rule accepts them. They are stable.
const (
	anyChain          = "any-chain"
	anyPrincipal      = "any-principal"
	anyRecipient      = "any-recipient"
	anyCall           = "any-call"
	anyInner          = "any-inner"
	noLimit           = "no-limit"
	unboundedApproval = "unbounded-approval"
	signsDigests      = "signs-digests"
	signsValidator    = "signs-validator"
	anyPayload        = "any-payload"
	unboundedValue    = "unbounded-value"
	unboundedAmount   = "unbounded-amount"
	unboundedFee      = "unbounded-fee"
	limitMisses       = "limit-misses"
	openPer           = "open-per"
	deniesLess        = "denies-less"
	neverMatches      = "never-matches"
	neverDecides      = "never-decides"
	acceptUnknown     = "accept-unknown"
	acceptUnneeded    = "accept-unneeded"
)

// AnyChain is the id of the warning that is none for a signer that signs for one chain.
const AnyChain = anyChain

// warningID is what Lint warns of.
type warningID struct {
	id  string
	doc string // what the rule does, for the reference
}

// warningIDs are those that a rule can accept, in the order of the reference.
func warningIDs() []warningID {
	return []warningID{
		{anyPrincipal, "allows whoever asks: no `principal`"},
		{anyChain, "signs for whichever chain: no `chain`, nor `domain: {chain: ..}`, a `token` by its name, or an amount of one"},
		{anyRecipient, "allows to pay or call anyone: no `to` or `recipient`, nor `domain` or `message` of typed data, nor `message: {to: ..}` of a Safe transaction; or it moves tokens and says not to whom, by `recipient`, `args` or `message`"},
		{anyCall, "allows every call, approvals without a bound or transfers to anyone among them"},
		{anyInner, "allows any call within its calls: `inner: any`"},
		{noLimit, "allows without `limits` or `approvals`"},
		{unboundedApproval, "allows approvals or permits of any amount, or typed data that may be a permit: no `primary_type`"},
		{limitMisses, "has a limit that counts nothing of what it matches, or not the tokens of others, which it may move or sign for, or not what a contract that is called pays of its own"},
		{openPer, "has a limit of which each recipient or argument has its own, leaves those open, and has no limit on all of them"},
		{unboundedAmount, "allows transfers of any amount"},
		{unboundedValue, "allows any ether: no `value_max` or `spend_max`, and no limit or budget on `value` or `spend`"},
		{unboundedFee, "allows any fee: no `gas_max` with `fee_cap_max`, no `gas_cost_max` or `spend_max`, and no limit or budget on `gas_cost` or `spend`"},
		{signsDigests, "may sign 32 bytes, as text, that are another contract's digest"},
		{signsValidator, "may sign data for a validator, of which a contract alone knows what it is"},
		{anyPayload, "signs block payloads of any chain or domain: no `chain`, or no `payload_domain`"},
		{deniesLess, "denies up to a bound, and nothing above it"},
		{neverMatches, "has bounds that no amount keeps"},
		{neverDecides, "is covered by another rule, which decides"},
	}
}

func warningNames() []string {
	var all []string
	for _, w := range warningIDs() {
		all = append(all, w.id)
	}
	return all
}
