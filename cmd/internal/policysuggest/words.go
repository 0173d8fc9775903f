package policysuggest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

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
		if t := r.currency(tokenPlace{r.shape.chain, n.form.to}); t != nil && t.name != "" {
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
		return pair("selector", scalars([]string{method}), "the method is not known")
	}
	return pair("call", scalars([]string{method}), "")
}

// callLines name the method of a call, and the addresses among its arguments.
func (r *ruling) callLines(n *node) []line {
	var args []string
	for _, place := range slices.Sorted(maps.Keys(n.args)) {
		if m := n.args[place]; m.count == n.count && !m.addresses.many {
			value, _ := r.addressValue("argument-"+strconv.Itoa(place), &m.addresses, "addresses")
			args = append(args, strconv.Quote(strconv.Itoa(place))+": "+value)
		}
	}
	if len(args) == 0 {
		return []line{methodLine(n.form.method)}
	}
	return []line{
		pair("function", strconv.Quote(n.form.method), ""),
		pair("args", "{"+strings.Join(args, ", ")+"}", "other arguments are open"),
	}
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
	if n.form.external() {
		lines = append(lines, pair("to", r.address(n.form.to), "whom the account calls"))
	}
	first := tokenPlace{r.shape.chain, n.form.list()[0]}
	single := len(n.form.tokens) == common.AddressLength
	switch {
	case n.form.what == handover:
	case n.form.method == "setApprovalForAll(address,bool)" && n.form.amounts == bounded:
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
		r.ownerLine(n),
	)
	switch t := r.currency(first); {
	case n.form.amounts == unbounded:
		lines = append(lines, pair("amount", "unlimited", ""))
	case single && t != nil && n.form.amounts == bounded:
		lines = append(lines, pair("amount_max", strconv.Quote(raised(&n.amount.value, r.options.Margin).Dec()+" "+t.name),
			"the most was %s, entry %d", n.amount.value.Dec(), n.amount.entry))
	case single && r.drafter.tokens[first] != nil && t == nil:
		lines = append(lines, remark("token_id is open: ids are seldom seen twice"))
	case single && t != nil:
		lines = append(lines, remark("the amounts are open: some have no bound, and others do"))
	default:
		lines = append(lines, remark("the amounts are open: no word bounds those of several tokens, or of one on any chain"))
	}
	if n.form.deadline {
		lines = append(lines, pair("deadline_within", raisedSpan(n.ends.span, r.options.Margin, "3660d"), "the longest was %s, entry %d", n.ends.span, n.ends.entry))
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
	if n.own {
		value = "[" + strings.Trim(value, "[]") + ", self]"
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
	if len(parts) > 0 {
		lines = append(lines, pair("domain", "{"+strings.Join(parts, ", ")+"}", ""))
	}
	if r.outer != nil {
		return lines
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(r.message)) {
		m := r.message[name]
		if m.count != r.times.count || m.addresses.many || len(members) == maxMembers {
			continue
		}
		value, _ := r.addressValue(name, &m.addresses, "addresses")
		members = append(members, strconv.Quote(name)+": "+value)
	}
	if len(members) > 0 {
		lines = append(lines, pair("message", "{"+strings.Join(members, ", ")+"}", "other members are open"))
	} else {
		lines = append(lines, remark("message is open: it names no address"))
	}
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
	if start := lasting(r.start); start != "" {
		parts = append(parts, "prefix: "+scalar(start))
	}
	if r.shape.text.binary {
		parts = append(parts, "max_bytes: "+r.lengths.value.Dec())
	} else {
		parts = append(parts, "max_bytes: "+raisedCount(&r.lengths.value, r.options.Margin, 1<<30))
	}
	if !r.unreadable && !r.shape.text.binary {
		parts = append(parts, "printable: true")
	}
	return []line{pair("text", "{"+strings.Join(parts, ", ")+"}", "the longest has %s bytes, entry %d", r.lengths.value.Dec(), r.lengths.entry)}
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
	if !in.statements.many {
		parts = append(parts, "statement: "+scalars(slices.Sorted(maps.Keys(in.statements.seen))))
	}
	if !in.resources {
		parts = append(parts, "resources: false")
	}
	about := ""
	if r.shape.text.expires {
		parts = append(parts, "expires_within: "+raisedSpan(in.expires.span, r.options.Margin, "366d"))
		about = fmt.Sprintf("the longest was valid for %s, entry %d", in.expires.span, in.expires.entry)
	}
	return []line{pair("siwe", "{"+strings.Join(parts, ", ")+"}", about)}
}
