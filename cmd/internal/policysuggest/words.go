package policysuggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/units"
)

// remark is a comment in the place of a word.
func remark(format string, args ...any) line { return line{comment: fmt.Sprintf(format, args...)} }

// maxData is the largest that data_max may be.
const maxData = 1<<31 - 1

// actionLines are the words about an action of one form, at a depth.
func (r *ruling) actionLines(n *node, depth int) []line {
	var lines []line
	switch n.form.what {
	case pays:
		lines = append(lines, r.addressLine("to", "recipients", &n.recipients, "recipients"), pair("plain", "true", ""))
	case calls:
		to := pair("to", r.address(n.form.to), "")
		if t := r.drafter.tokens[tokenPlace{r.shape.chain, n.form.to}]; t != nil && t.name != "" {
			to.comment = "the contract of " + t.name
		}
		lines = append(lines, to)
		lines = append(lines, r.callLines(n)...)
		lines = append(lines,
			pair("data_max", raisedCount(&n.data.value, r.options.Margin, maxData), "the most was %s bytes, entry %d", n.data.value.Dec(), n.data.entry))
	case moves, handover:
		lines = append(lines, r.effectLines(n)...)
	}
	if n.form.what != handover {
		lines = append(lines, r.weiLine("value_max", &n.value))
	}
	if depth > 0 || r.shape.kind == facts.KindSafe {
		lines = append(lines, pair("delegate_call", strconv.FormatBool(n.form.delegate), ""))
	}
	return append(lines, r.innerLines(n, depth)...)
}

// methodLine names the method of a call.
func methodLine(method string) line {
	if strings.HasPrefix(method, "0x") {
		return pair("selector", scalars([]string{method}), "the method is not known, and its arguments are open")
	}
	about := ""
	if !strings.HasSuffix(method, "()") && !slices.Contains(boundMethods(), method) {
		about = "arguments of which no word below speaks are open"
	}
	return pair("call", scalars([]string{method}), about)
}

// boundMethods are those whose arguments all have words about effects.
func boundMethods() []string {
	return []string{
		"transfer(address,uint256)", "transferFrom(address,address,uint256)", "approve(address,uint256)",
		"increaseAllowance(address,uint256)", "increaseApproval(address,uint256)", "burn(uint256)", "burnFrom(address,uint256)",
		"safeTransferFrom(address,address,uint256)", "setApprovalForAll(address,bool)", "authorizeOperator(address)",
		"multicall(bytes[])", "multiSend(bytes)", // what lies within has words of its own
	}
}

// callLines name the method of a call, and the addresses among its arguments.
func (r *ruling) callLines(n *node) []line {
	var lines []line
	args, open := r.comparisons("argument", n.args)
	if args == "" {
		lines = append(lines, methodLine(n.form.method))
	} else {
		lines = append(lines, pair("function", strconv.Quote(n.form.method), ""), pair("args", args, "other arguments are open%s", combined(n.args)))
	}
	if n.anonymous && n.form.name() != "" && (r.options.KnownMethod == nil || !r.options.KnownMethod(n.form.method)) {
		lines = append(lines, remark("the name of the method is what a caller, a file of selectors or a policy says that it is: it is not among those that are known"))
	}
	return append(lines, openPlaces("args", open)...)
}

// combined says so if addresses at several places may stand together that were not
// seen together.
func combined(places map[string]*addresses) string {
	several := 0
	for _, set := range places {
		if set.many || len(set.seen) > 1 {
			several++
		}
	}
	if several < 2 {
		return ""
	}
	return ", and each address at one place may stand with each at another, seen together or not"
}

// openPlaces says which places had too many addresses.
func openPlaces(word string, open []string) []line {
	if len(open) == 0 {
		return nil
	}
	return []line{remark("%s: there were many addresses, and any is allowed, at %s", word, strings.Join(open, ", "))}
}

// innerLines are about what lies within an action.
func (r *ruling) innerLines(n *node, depth int) []line {
	switch {
	case n.form.opaque:
		return []line{pair("inner", "any", "%s", comment(n.why))}
	case len(n.inner) == 0:
		return nil
	}
	inner := line{key: "inner"}
	for _, of := range slices.SortedFunc(maps.Keys(n.inner), func(a, b form) int { return a.compare(&b) }) {
		inner.inner = append(inner.inner, r.actionLines(n.inner[of], depth+1))
	}
	return []line{inner}
}

// effectLines are about what an action does to tokens.
func (r *ruling) effectLines(n *node) []line {
	var lines []line
	if n.form.external {
		lines = append(lines, pair("to", r.address(n.form.to), "whom the account calls"))
	}
	first := tokenPlace{r.shape.chain, n.form.list()[0]}
	single := len(n.form.tokens) == common.AddressLength
	switch {
	case n.form.what == handover:
	case n.form.takesBack():
		lines = append(lines, pair("function", `"setApprovalForAll(address operator, bool approved)"`, ""), pair("args", "{approved: false}", "it takes back"))
	default:
		lines = append(lines, methodLine(n.form.method))
	}
	var tokens []string
	for _, token := range n.form.list() {
		tokens = append(tokens, r.tokenName(tokenPlace{r.shape.chain, token}))
	}
	lines = append(lines,
		pair("token", "["+strings.Join(tokens, ", ")+"]", ""),
		r.addressLine("recipient", "recipients", &n.recipients, "recipients"),
	)
	owner := r.ownerLine(n)
	if lines = append(lines, owner); n.form.what == handover {
		lines = append(lines, r.standardLines(n, &owner)...)
	}
	if n.form.ids != noIDs {
		lines = append(lines, r.idLine(n))
	}
	switch t := r.drafter.tokens[first]; {
	case n.form.ids == ofOne || n.form.takesBack():
	case n.form.amounts == unbounded:
		lines = append(lines, pair("amount", "unlimited", ""))
	case single && t != nil && n.form.amounts == bounded && n.form.ids != someIDs:
		lines = append(lines, pair("amount_max", strconv.Quote(raised(&n.amount.value, r.options.Margin).Dec()+" "+t.name),
			"the most was %s, entry %d", n.amount.value.Dec(), n.amount.entry))
	case single && t != nil:
		lines = append(lines, remark("the amounts are open: some have no bound or an id, and others do not"))
	default:
		lines = append(lines, remark("the amounts are open: no word bounds those of several tokens, or of one on any chain"))
	}
	if n.form.deadline {
		lines = append(lines, pair("deadline_within", raisedSpan(n.ends.span, r.options.Margin, "3660d"), "the longest was %s, entry %d", n.ends.span, n.ends.entry))
	} else if n.form.what == handover {
		lines = append(lines, remark("deadline_within is open: some have no end that a rule can name"))
	}
	return lines
}

// takesBack tells whether a call ends the approval of a collection.
func (of *form) takesBack() bool {
	return of.method == "setApprovalForAll(address,bool)" && of.amounts == bounded
}

// idLine lists the ids of tokens.
func (r *ruling) idLine(n *node) line {
	if n.manyIDs {
		return remark("token_id: there were many, and any is allowed: add token_id")
	}
	if len(n.ids) == 0 {
		return remark("token_id is open")
	}
	return pair("token_id", r.idValue(n), "ids that were seen: new ones are to be added")
}

func (r *ruling) idValue(n *node) string {
	var ids []string
	for _, id := range slices.SortedFunc(maps.Keys(n.ids), func(a, b uint256.Int) int { return a.Cmp(&b) }) {
		ids = append(ids, strconv.Quote(id.Dec()))
	}
	return "[" + strings.Join(ids, ", ") + "]"
}

// standardLines tell permits of one name apart: those of collections (ERC-4494)
// from those of currencies (EIP-2612, DAI).
func (r *ruling) standardLines(n *node, owner *line) []line {
	members := r.shape.typed.list()
	var lines []line
	for _, name := range []string{"owner", "holder"} {
		if r.shape.typed.primaryType == "Permit" && owner.key != "" && slices.Contains(members, name) {
			lines = append(lines, pair("message", "{"+name+": "+owner.value+"}", ""))
		}
	}
	if n.form.ids == ofOne && len(n.ids) > 0 {
		lines = append(lines, pair("message", "{tokenId: "+r.idValue(n)+"}", ""))
	}
	if kind := r.shape.typed.primaryType; kind == "PermitSingle" || kind == "PermitBatch" {
		lines = append(lines, remark("expiration is open: the allowance may last for ever, however soon it must be used first"))
	}
	if strings.HasSuffix(r.shape.typed.primaryType, witness) {
		lines = append(lines, remark("the witness is open, which decides what becomes of the tokens"))
	}
	return lines
}

// ownerLine says whose tokens are moved.
func (r *ruling) ownerLine(n *node) line {
	if n.owners.many {
		return r.addressLine("owner", "owners", &n.owners, "owners")
	}
	if len(n.owners.seen) == 0 {
		return pair("owner", "self", "")
	}
	value, about := r.addressValue("owners", &n.owners, "owners")
	owners := len(n.owners.seen)
	if n.own {
		owners++
		value = "[" + strings.Trim(value, "[]") + ", self]"
	}
	if owners > 1 && (n.recipients.many || len(n.recipients.seen) > 1) {
		about = cmp.Or(about, "the account's own as well") + "; tokens of each may go to each recipient, seen together or not"
	}
	return pair("owner", value, about)
}

func (r *ruling) safeLine() line {
	parts := []string{"safe: " + r.address(r.shape.safe.safe)}
	most := raised(&r.refund.value, r.options.Margin)
	about := fmt.Sprintf("the largest refund was %s, entry %d", r.refund.value.Dec(), r.refund.entry)
	switch token := r.shape.safe.token; {
	case !r.shape.safe.paid:
		parts, about = append(parts, `refund_max: "0 wei"`), ""
	case token == common.Address{}:
		parts = append(parts, "refund_max: "+strconv.Quote(units.Wei(most)))
	default:
		name := r.tokenName(tokenPlace{r.shape.chain, token})
		parts = append(parts, "refund_max: "+strconv.Quote(most.Dec()+" "+name))
	}
	if r.shape.safe.paid && !r.receivers.many {
		value, _ := r.addressValue("refunds", &r.receivers, "receivers", common.Address{})
		parts = append(parts, "refund_receiver: "+value)
	}
	if r.receivers.many {
		about += "; there were many receivers of refunds, and any is allowed"
	}
	return pair("safe", "{"+strings.Join(parts, ", ")+"}", about)
}

func (r *ruling) typedLines() []line {
	t := &r.shape.typed
	lines := []line{pair("primary_type", scalars([]string{t.primaryType}), "")}
	var parts []string
	if t.name != "" {
		parts = append(parts, "name: "+scalar(t.name))
	}
	if t.version != "" {
		parts = append(parts, "version: "+scalar(t.version))
	}
	if t.hasContract {
		parts = append(parts, "contract: "+r.address(t.contract))
	}
	if t.hasSalt {
		parts = append(parts, "salt: "+strconv.Quote(t.salt.Hex()))
	}
	if !t.hasContract {
		lines = append(lines, remark("it names no contract, and is good for any"))
	}
	if len(parts) > 0 {
		lines = append(lines, pair("domain", "{"+strings.Join(parts, ", ")+"}", ""))
	}
	if r.outer != nil {
		return lines
	}
	message, open := r.comparisons("message", r.message)
	if message == "" {
		lines = append(lines, remark("message is open"))
	} else {
		lines = append(lines, pair("message", message, "other members are open%s", combined(r.message)))
	}
	lines = append(lines, openPlaces("message", open)...)
	if t.opaque {
		lines = append(lines, pair("inner", "any", "%s", comment(r.hidden)))
	}
	return lines
}

func (r *ruling) textLines() []line {
	if r.signIn != nil {
		return r.signInLines()
	}
	if !r.whole.many && len(r.whole.seen) > 0 {
		return []line{pair("text", "{exact: "+scalars(slices.Sorted(maps.Keys(r.whole.seen)))+"}", "")}
	}
	var parts []string
	about := ""
	if start := lasting(r.start); start != "" {
		parts = append(parts, "prefix: "+scalar(start))
	}
	if r.shape.text.binary {
		parts = append(parts, "max_bytes: "+r.lengths.value.Dec())
	} else {
		parts = append(parts, "max_bytes: "+raisedCount(&r.lengths.value, r.options.Margin, 1<<30))
	}
	if r.beginsSignIn() {
		about = "a sign-in to some site may be one; "
	}
	if r.shape.text.raw {
		about += "any bytes may follow, also such as can't be printed; "
	}
	if !r.shape.text.raw && !r.shape.text.binary {
		parts = append(parts, "printable: true")
	}
	return []line{pair("text", "{"+strings.Join(parts, ", ")+"}", about+"the longest has %s bytes, entry %d", r.lengths.value.Dec(), r.lengths.entry)}
}

func (r *ruling) signInLines() []line {
	in := r.signIn
	parts := []string{"domain: " + scalar(r.shape.text.start), "address: self"}
	if !in.manyChains {
		var chains []string
		for _, id := range slices.Sorted(maps.Keys(in.chains)) {
			name, ok := r.chain[id]
			if !ok {
				name = strconv.FormatUint(id, 10)
			}
			chains = append(chains, name)
		}
		parts = append(parts, "chain: ["+strings.Join(chains, ", ")+"]")
	}
	switch {
	case !in.uris.many:
		parts = append(parts, "uri: "+scalars(slices.Sorted(maps.Keys(in.uris.seen))))
	case !in.origins.many:
		parts = append(parts, "uri_prefix: "+scalars(slices.Sorted(maps.Keys(in.origins.seen))))
	}
	var open []string
	if in.manyChains {
		open = append(open, "chain")
	}
	if in.uris.many && in.origins.many {
		open = append(open, "uri")
	}
	if len(in.statements.seen) > 0 {
		parts = append(parts, "statement: "+scalars(slices.Sorted(maps.Keys(in.statements.seen))))
	} else {
		open = append(open, "statement")
	}
	if r.shape.text.demands {
		open = append(open, "resources")
	} else {
		parts = append(parts, "resources: false")
	}
	about := ""
	if r.shape.text.expires {
		parts = append(parts, "expires_within: "+raisedSpan(in.expires.span, r.options.Margin, "366d"))
		about = fmt.Sprintf("the longest was valid for %s, entry %d", in.expires.span, in.expires.entry)
	} else {
		open = append(open, "expires_within")
	}
	lines := []line{pair("siwe", "{"+strings.Join(parts, ", ")+"}", about)}
	if len(open) > 0 {
		lines = append(lines, remark("open: %s", strings.Join(open, ", ")))
	}
	return lines
}
