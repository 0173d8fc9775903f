package policysuggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
)

// drafter writes the policy of what a collector has taken in.
type drafter struct {
	*collector
	names   *names                    // of accounts and lists
	rules   *names                    // of rules
	account map[common.Address]string // names
	chain   map[uint64]string
	used    map[tokenPlace]bool // tokens that rules name

	lists  strings.Builder
	bodies strings.Builder
}

func newDrafter(c *collector) *drafter {
	return &drafter{
		collector: c,
		names:     newNames("self", "none", "any"), rules: newNames(),
		account: make(map[common.Address]string), chain: make(map[uint64]string), used: make(map[tokenPlace]bool),
	}
}

// draft writes the policy, and excludes groups that there is no room for.
func (d *drafter) draft() *Draft {
	groups := d.sorted()
	d.name(groups)
	others := make(map[string]*Missing) // the collector's stay as they are: there may be a further draft
	for why, m := range d.others {
		add(others, why, m.Count, m.First)
	}
	draft := &Draft{From: d.from.entry, To: d.to}
	var seen times
	size := 0
	for _, g := range groups {
		if g.why == "" {
			lists, body := d.rule(g)
			if size += len(lists) + len(body); size > maxSource {
				g.exclude(d.collector, whySize)
			} else {
				d.lists.WriteString(lists)
				d.bodies.WriteString(body)
				draft.Rules++
				draft.Covered += g.times.count
				seen.join(&g.times)
			}
		}
		if g.why != "" && g.times.count > 0 {
			add(others, g.why, g.times.count, g.times.entry)
		}
	}
	draft.Others, draft.LeftOut = sorted(others), sorted(d.left)
	if d.options.Missing != nil {
		draft.Unread = d.options.Missing()
	}
	draft.Source = d.document(draft, &seen)
	return draft
}

// join adds other times.
func (t *times) join(other *times) {
	if t.count == 0 || other.first.Before(t.first) {
		t.first = other.first
	}
	if t.count == 0 || other.last.After(t.last) {
		t.last = other.last
	}
	t.count += other.count
}

func sorted(of map[string]*Missing) []Missing {
	all := make([]Missing, 0, len(of))
	for _, m := range of {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b Missing) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why)) })
	return all
}

// name gives accounts, chains and tokens their names. An account has that of its
// key.
func (d *drafter) name(groups []*group) {
	accounts, chains, places := make(map[common.Address]bool), make(map[uint64]bool), make(map[tokenPlace]bool)
	for _, g := range groups {
		if g.why != "" {
			continue
		}
		if g.shape.kind != facts.KindList && g.shape.kind != facts.KindNewAccount {
			accounts[g.shape.account] = true
		}
		chains[g.shape.chain] = true
		if g.signIn != nil {
			maps.Copy(chains, g.signIn.chains)
		}
		for _, token := range g.tokens() {
			places[tokenPlace{g.shape.chain, token}] = true
		}
	}
	for _, address := range slices.SortedFunc(maps.Keys(accounts), common.Address.Cmp) {
		d.account[address] = d.names.pick(cmp.Or(d.keys[address], "account"))
	}
	taken := newNames()
	for _, id := range slices.Sorted(maps.Keys(chains)) {
		if id == 0 || id >= 1<<63 {
			continue // it can't have a name
		}
		name := ""
		if d.options.ChainName != nil {
			name = strings.ToLower(d.options.ChainName(id))
		}
		d.chain[id] = taken.pick(cmp.Or(name, "chain-"+strconv.FormatUint(id, 10)))
	}
	for _, t := range d.tokens {
		t.name = "" // of a draft before
	}
	n := 0
	for _, place := range slices.SortedFunc(maps.Keys(places), func(a, b tokenPlace) int {
		return cmp.Or(cmp.Compare(a.chain, b.chain), a.address.Cmp(b.address))
	}) {
		if t := d.tokens[place]; t != nil {
			n++
			t.name = "T" + strconv.Itoa(n)
		}
	}
}

// tokens are all that the rule of a group names.
func (g *group) tokens() []common.Address {
	found := make(map[common.Address]bool)
	var walk func(n *node)
	walk = func(n *node) {
		for _, token := range n.form.list() {
			found[token] = true
		}
		for _, inner := range n.inner {
			walk(inner)
		}
	}
	if g.outer != nil {
		walk(g.outer)
	}
	if g.shape.safe.paid && g.shape.safe.token != (common.Address{}) {
		found[g.shape.safe.token] = true
	}
	return slices.SortedFunc(maps.Keys(found), common.Address.Cmp)
}

// tokenName is how a match names a token: by its name in the policy, or by its
// address if it can't be declared.
func (d *drafter) tokenName(place tokenPlace) string {
	if t := d.tokens[place]; t != nil {
		d.used[place] = true
		return t.name
	}
	return quotedAddress(place.address)
}

// document puts the file together.
func (d *drafter) document(draft *Draft, seen *times) []byte {
	var b strings.Builder
	b.WriteString(d.header(draft, seen))
	b.WriteString("version: 1\n")
	if len(d.chain) > 0 {
		b.WriteString("\nchains:\n")
		for _, id := range slices.Sorted(maps.Keys(d.chain)) {
			fmt.Fprintf(&b, "  %s: %d\n", d.chain[id], id)
		}
	}
	if len(d.account) > 0 {
		b.WriteString("\naccounts:\n")
		for _, address := range slices.SortedFunc(maps.Keys(d.account), common.Address.Cmp) {
			fmt.Fprintf(&b, "  %s: %s\n", d.account[address], quotedAddress(address))
		}
	}
	b.WriteString(d.tokenSection())
	if d.lists.Len() > 0 {
		b.WriteString("\nlists:\n" + d.lists.String())
	}
	b.WriteString("\nrules:" + d.bodies.String())
	for _, part := range []struct {
		title string
		all   []Missing
	}{
		{"Not covered: these requests were signed too, and no rule above was drafted for them." + d.opening(), draft.Others},
		{"Not known: what these requests were can't be told from the log.", draft.Unread},
	} {
		if len(part.all) > 0 {
			fmt.Fprintf(&b, "\n# %s\n", part.title)
		}
		for _, m := range part.all {
			fmt.Fprintf(&b, "#  - %s: %s; the first is entry %d\n", counted(m.Count), comment(m.Why), m.First)
		}
	}
	return []byte(b.String())
}

// opening says what may cover more, where that was not asked for.
func (d *drafter) opening() string {
	if d.options.Open {
		return ""
	}
	return "\n# With --open there are rules for some of them, which allow much more than was seen."
}

// tokenSection declares tokens in their smallest unit: a log does not have their
// decimals.
func (d *drafter) tokenSection() string {
	if len(d.used) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n# The log does not have the decimals of tokens: amounts are in the smallest unit. To write them in\n" +
		"# tokens, give each its name and its decimals, and move the point in its amounts as far.\n" +
		"# What is a collection (ERC-721) and was not seen to be one gets standard: erc721 in place of decimals.\n" +
		"tokens:\n")
	for _, place := range slices.SortedFunc(maps.Keys(d.used), func(a, b tokenPlace) int {
		return cmp.Or(cmp.Compare(a.chain, b.chain), a.address.Cmp(b.address))
	}) {
		t, about := d.tokens[place], ""
		if t.amounts && t.collection {
			about = " # calls with ids and calls with amounts were signed: it is one or the other"
		}
		fmt.Fprintf(&b, "  %s: {chain: %s, address: %s, %s}%s\n", t.name, d.chain[place.chain], quotedAddress(place.address), t.kind(), about)
	}
	return b.String()
}

// header says what the draft was drawn from.
func (d *drafter) header(draft *Draft, seen *times) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drafted from %s that were approved and signed, among entries %d to %d of the\n# audit log, from %s to %s.\n",
		counted(draft.Covered), draft.From, draft.To, at(seen.first), at(seen.last))
	fmt.Fprintf(&b, "#\n# It allows what was seen, and as much more as a margin of %d %% and rounding up make. That it was signed\n"+
		"# does not mean that it should have been: read each rule, give things their names, and remove what you\n"+
		"# do not want. The entries named here are shown by kvclef audit show.\n", d.options.Margin)
	if len(draft.LeftOut) > 0 {
		b.WriteString("#\n# Left out:")
		for i, m := range draft.LeftOut {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %d %s", m.Count, comment(m.Why))
		}
		b.WriteString(".\n")
	}
	if missing := total(draft.Others) + total(draft.Unread); missing > 0 {
		fmt.Fprintf(&b, "# %s not covered: see the end.\n", are(missing))
	}
	return b.String()
}

func total(all []Missing) int {
	sum := 0
	for _, m := range all {
		sum += m.Count
	}
	return sum
}

func counted(n int) string {
	if n == 1 {
		return "1 request"
	}
	return strconv.Itoa(n) + " requests"
}

func are(n int) string {
	if n == 1 {
		return "1 request is"
	}
	return strconv.Itoa(n) + " requests are"
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// comment makes a text fit for a comment, whatever is in it.
func comment(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return cut(quoted[1:len(quoted)-1], maxString)
}
