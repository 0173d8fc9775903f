package policysuggest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/units"
)

// ruling writes one rule.
type ruling struct {
	*drafter
	*group
	id    string
	lists strings.Builder
}

// rule returns the rule of a group, and the lists that it names.
func (d *drafter) rule(g *group) (lists, body string) {
	r := &ruling{drafter: d, group: g}
	title, name := r.title()
	r.id = d.rules.pick(name...)
	g.rule = r.id
	match := r.match()
	var b strings.Builder
	fmt.Fprintf(&b, "\n  # %s.\n", g.times.String())
	fmt.Fprintf(&b, "  - id: %s\n    description: %s\n    effect: allow\n    match:\n", r.id, strconv.QuoteToASCII(title))
	writeLines(&b, match, 6, false)
	if limits := r.limitLines(); limits != "" {
		b.WriteString("    limits:\n" + limits)
	}
	return r.lists.String(), b.String()
}

// title says in words what a rule allows, and has the parts of its name.
func (r *ruling) title() (title string, name []string) {
	s := &r.shape
	account := r.account[s.account]
	switch s.kind {
	case facts.KindList:
		return "The accounts may be listed.", []string{"list"}
	case facts.KindNewAccount:
		return "Accounts may be made.", []string{"new-account"}
	case facts.KindClique:
		return account + " signs Clique headers.", []string{account, "clique-headers"}
	case facts.KindValidator:
		return account + " signs data for validators. No word is about what is in it.", []string{account, "validator-data"}
	case facts.KindPayload:
		return account + " signs the blocks of a sequencer.", []string{account, "block-payloads"}
	case facts.KindText:
		switch {
		case s.text.signIn:
			return account + " signs in with Ethereum.", []string{account, "signs-in"}
		case s.text.binary:
			return account + " signs messages that are no text, and may mean anything.", []string{account, "binary-messages"}
		default:
			return account + " signs personal messages.", []string{account, "messages"}
		}
	case facts.KindTypedData:
		if s.outer.what == handover {
			return account + " hands over tokens by typed data.", []string{account, s.typed.primaryType}
		}
		return account + " signs typed data.", []string{account, s.typed.primaryType}
	}
	who, parts := account, []string{account}
	if s.kind == facts.KindSafe {
		who, parts = "A Safe, for which "+account+" signs,", append(parts, "safe")
	}
	switch s.outer.what {
	case pays:
		title, parts = who+" pays ether.", append(parts, "pays")
	case creates:
		title, parts = who+" makes contracts.", append(parts, "creates")
	case moves:
		title, parts = who+" calls "+s.outer.name()+" of a token.", append(parts, s.outer.name())
		if s.outer.external {
			title = who + " calls " + s.outer.name() + " of a contract that moves tokens."
		}
		for _, token := range s.outer.list() {
			if t := r.drafter.tokens[tokenPlace{s.chain, token}]; t != nil && len(s.outer.tokens) == common.AddressLength {
				title, parts = strings.Replace(title, "a token", t.name, 1), append(parts, t.name)
			}
		}
	default:
		name := s.outer.name()
		title, parts = who+" calls "+name+" of a contract.", append(parts, name)
		if name == "" {
			title, parts[len(parts)-1] = who+" calls a contract.", "calls"
		}
	}
	if s.setCode {
		title, parts = strings.TrimSuffix(title, ".")+", and hands accounts over to contracts.", append(parts, "set-code")
	}
	return title, parts
}

// match has the words of a rule.
func (r *ruling) match() []line {
	s := &r.shape
	lines := []line{
		pair("principal", scalars([]string{s.principal}), ""),
		pair("listener", "["+s.listener+"]", ""),
		pair("kind", "["+s.kind+"]", ""),
	}
	if s.kind != facts.KindList && s.kind != facts.KindNewAccount {
		lines = append(lines, pair("account", r.account[s.account], ""))
	}
	switch {
	case s.chain != 0:
		lines = append(lines, pair("chain", "["+r.chain[s.chain]+"]", ""))
	case s.kind == facts.KindTypedData || s.kind == facts.KindSafe:
		lines = append(lines, remark("it names no chain, and is good for any"))
	}
	switch s.kind {
	case facts.KindTransaction:
		lines = append(lines, r.transactionLines()...)
	case facts.KindSafe:
		lines = append(lines, r.safeLine())
	case facts.KindTypedData:
		lines = append(lines, r.typedLines()...)
	case facts.KindText:
		lines = append(lines, r.textLines()...)
	case facts.KindPayload:
		lines = append(lines, pair("payload_domain", scalars([]string{s.payload.Hex()}), ""))
	}
	if r.outer != nil {
		lines = append(lines, r.actionLines(r.outer, 0)...)
	}
	if s.kind == facts.KindTransaction {
		lines = append(lines, r.feeLines()...)
	}
	return lines
}

func (r *ruling) transactionLines() []line {
	var types []string
	for kind, is := range r.types {
		if is {
			types = append(types, strconv.Itoa(kind))
		}
	}
	lines := []line{pair("tx_type", "["+strings.Join(types, ", ")+"]", "")}
	if r.shape.setCode {
		lines = append(lines,
			r.addressLine("delegate_to", "delegates", &r.delegates, "contracts that accounts are handed over to", common.Address{}),
			pair("delegate_any_chain", strconv.FormatBool(r.shape.anyChain), ""))
	}
	if len(r.initCode) > 0 {
		var codes []string
		for _, code := range slices.SortedFunc(maps.Keys(r.initCode), common.Hash.Cmp) {
			codes = append(codes, code.Hex())
		}
		lines = append(lines, pair("create", "true", ""), pair("init_code_hash", scalars(codes), ""))
	}
	return lines
}

// plainGas is what a payment without data needs.
const plainGas = 21_000

func (r *ruling) feeLines() []line {
	gas := raisedCount(&r.gas.value, r.options.Margin, 1<<63)
	if r.gas.value.CmpUint64(plainGas) == 0 && r.shape.outer.what == pays {
		gas = strconv.Itoa(plainGas)
	}
	lines := []line{
		pair("gas_max", gas, "the most was %s, entry %d", r.gas.value.Dec(), r.gas.entry),
		r.weiLine("fee_cap_max", &r.feeCap),
	}
	if !r.types[0] && !r.types[1] {
		lines = append(lines, r.weiLine("tip_cap_max", &r.tipCap))
	}
	if r.types[3] {
		lines = append(lines, r.weiLine("blob_fee_cap_max", &r.blobFee),
			pair("blobs_max", r.blobs.value.Dec(), "entry %d", r.blobs.entry))
	}
	return lines
}

// weiLine is an upper bound in ether.
func (r *ruling) weiLine(key string, p *peak) line {
	text := strconv.Quote(units.Wei(raised(&p.value, r.options.Margin)))
	if p.value.IsZero() {
		return pair(key, text, "")
	}
	return pair(key, text, "the most was %s, entry %d", units.Wei(&p.value), p.entry)
}

// addressLine is a word with a set of addresses: in the line if they are few, or
// in a list. None is what the word none stands for; the zero address is one only
// where it does.
func (r *ruling) addressLine(key, role string, set *addresses, what string, none ...common.Address) line {
	if set.many {
		return remark("%s: there were many %s, and any is allowed: add %s", key, what, key)
	}
	value, comment := r.addressValue(role, set, what, none...)
	return pair(key, value, comment)
}

// fewAddresses stand in a line.
const fewAddresses = 3

func (r *ruling) addressValue(role string, set *addresses, what string, none ...common.Address) (value, comment string) {
	var parts []string
	rest := maps.Clone(set.seen)
	for _, address := range none {
		if rest[address] > 0 {
			parts = append(parts, "none")
			delete(rest, address)
		}
	}
	sorted := slices.SortedFunc(maps.Keys(rest), common.Address.Cmp)
	rarest := fmt.Sprintf("%d %s, the rarest seen %s", len(set.seen), what, often(leastOf(set.seen)))
	if len(sorted) <= fewAddresses {
		for _, address := range sorted {
			parts = append(parts, r.address(address))
		}
		if len(parts) == 1 {
			rarest = ""
		}
		return "[" + strings.Join(parts, ", ") + "]", rarest
	}
	name := r.names.pick(r.id, role)
	fmt.Fprintf(&r.lists, "  %s:\n", name)
	for _, address := range sorted {
		fmt.Fprintf(&r.lists, "    - %s # %s\n", r.address(address), often(rest[address]))
	}
	parts = append(parts, name)
	if len(parts) == 1 {
		return name, rarest
	}
	return "[" + strings.Join(parts, ", ") + "]", rarest
}

// leastOf is how often that was seen which was seen least.
func leastOf[T comparable](seen map[T]int) int {
	least := math.MaxInt
	for _, n := range seen {
		least = min(least, n)
	}
	return least
}

func often(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

// address writes an address, by its name if it is one of the accounts.
func (r *ruling) address(address common.Address) string {
	if name, ok := r.account[address]; ok {
		return name
	}
	return quotedAddress(address)
}

// limitLines are the limits of a rule.
func (r *ruling) limitLines() string {
	var b strings.Builder
	add := func(name string, measure limit.Measure, more, most, was string, entry uint64) {
		fmt.Fprintf(&b, "      - {id: %s-%s, measure: %s, %smax: %s, window: 24h} # the most within 24 h was %s, at entry %d\n",
			r.id, name, measure, more, most, was, entry)
	}
	wei := func(name string, measure limit.Measure) bool {
		p := r.total(measure)
		if p == nil || p.value.IsZero() {
			return false
		}
		add(name, measure, "", strconv.Quote(units.Wei(raised(&p.value, r.options.Margin))), units.Wei(&p.value), p.entry)
		return true
	}
	if !wei("value", limit.Value) {
		wei("gas", limit.GasCost)
	} else if gas := r.total(limit.GasCost); gas != nil && !gas.value.IsZero() {
		wei("spend", limit.Spend)
	}
	for _, address := range r.tokens() {
		if p := r.totalOf(address); p != nil {
			name := r.tokenName(tokenPlace{r.shape.chain, address})
			add(name, limit.Amount, "token: "+name+", ", strconv.Quote(raised(&p.value, r.options.Margin).Dec()+" "+name), p.value.Dec(), p.entry)
		}
	}
	if p := r.total(limit.Signatures); p != nil {
		add("count", limit.Signatures, "", raised(&p.value, r.options.Margin).Dec(), p.value.Dec(), p.entry)
	}
	if r.outer != nil && r.outer.ofOthers() {
		b.WriteString("      # No limit of tokens of others: a limit counts those of the account, or of its Safe.\n")
	}
	if r.shape.lacks(limit.Value) {
		b.WriteString("      # No limit of ether: what leaves the account can't be measured.\n")
	}
	if len(r.tokens()) > 0 && (!r.shape.counted || r.shape.chain == 0) {
		b.WriteString("      # No limit of tokens: some have ids, no bound or no chain, or are moved by calls that are not known.\n")
	}
	return b.String()
}
