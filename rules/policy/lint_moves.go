package policy

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// sending are the methods that move tokens to whom they name, with the place of who
// gets them.
func sending() map[string]string {
	return map[string]string{
		"transfer": "0", "transferAndCall": "0", "send": "0",
		"transferFrom": "1", "transferFromAndCall": "1", "safeTransferFrom": "1", "safeBatchTransferFrom": "1",
		"transferWithAuthorization": "1", "receiveWithAuthorization": "1",
	}
}

// moving is what a match lets happen to tokens.
type moving struct {
	word     string // that says so
	sends    bool   // moves them
	amounts  bool   // moves amounts of them, and not one by its id
	approves bool   // lets others take them
	others   bool   // moves those of others than the account
}

// moves tells what a match lets happen to tokens, as far as its words say so. Where
// they say nothing of calls, there are other warnings.
func (m *Match) moves(possible []string) moving {
	var names []string
	var word string
	switch {
	case m.has("plain") && m.find("plain").want() == "true":
		return moving{}
	case m.has("function"):
		word, names = "function", []string{nameOf(m.find("function").want())}
	case m.has("call"):
		word = "call"
		for _, call := range m.textsOf("call") {
			names = append(names, nameOf(call))
		}
	case m.has("selector"):
		word, names = "selector", m.selected()
	case len(explicit(m.Effects)) > 0 && !m.has("primary_type"):
		kinds := m.textsOf("effect")
		sends := kinds == nil || slices.Contains(kinds, facts.Transfer)
		return moving{
			word: explicit(m.Effects)[0].key(), sends: sends, amounts: sends, others: sends,
			approves: kinds == nil || slices.ContainsFunc(kinds, func(kind string) bool { return kind != facts.Transfer }),
		}
	default:
		sends := slices.ContainsFunc(m.textsOf("primary_type"), func(t string) bool { return strings.HasSuffix(t, "WithAuthorization") })
		return moving{
			word: "primary_type", sends: sends, amounts: sends,
			approves: slices.ContainsFunc(m.textsOf("primary_type"), isPermit) && slices.Contains(possible, facts.KindTypedData),
		}
	}
	found := moving{word: word}
	for _, name := range names {
		_, sends := sending()[name]
		found.sends = found.sends || sends
		found.amounts = found.amounts || sends && !strings.HasPrefix(name, "safe")
		found.others = found.others || sends && (strings.Contains(name, "From") || strings.HasSuffix(name, "WithAuthorization"))
		found.approves = found.approves || slices.Contains(approving(), name)
	}
	return found
}

func isPermit(primaryType string) bool { return strings.HasPrefix(primaryType, "Permit") }

// recipients warns of matches that move tokens and say not to whom: that a token is
// called says nothing of who gets it.
func (l *linter) recipients(rule *Rule, m *Match, possible []string) {
	if does := m.moves(possible); (does.sends || does.approves && !m.takesBack()) && !m.namesRecipient() {
		l.warn(rule, anyRecipient, m.Lines[does.word], "says not who gets the tokens, or may take them: add recipient")
	}
	for i := range m.Inner {
		l.recipients(rule, &m.Inner[i], possible)
	}
}

// takesBack reports whether approvals that a match is about are of nothing.
func (m *Match) takesBack() bool {
	if most := m.reachOf("amount_max").bound; most != nil {
		return most.IsZero()
	}
	return refuses(m.compared("args")) || refuses(m.compared("message"))
}

// refuses reports whether a comparison holds only where something is false.
func refuses(c comparison) bool {
	switch c := c.(type) {
	case every:
		return slices.ContainsFunc(c, refuses)
	case member:
		return refuses(c.comparison)
	case values:
		return !slices.ContainsFunc(c, func(l literal) bool { return l.text != "false" })
	default:
		return false
	}
}

// namesRecipient reports whether a match says who gets tokens: by the word for it,
// or by an address that is an argument or a member.
func (m *Match) namesRecipient() bool {
	if m.has("recipient") {
		return true
	}
	place := each // anywhere: the methods that approve name one other address
	if m.has("function") {
		if known, ok := sending()[nameOf(m.find("function").want())]; ok {
			place = known
		}
	}
	return namesAt(m.compared("args"), place) ||
		slices.ContainsFunc([]string{"spender", "to", "operator"}, func(name string) bool { return namesAt(m.compared("message"), name) })
}

// namesAt reports whether a comparison holds only for some addresses at a place, or
// anywhere.
func namesAt(c comparison, place string) bool {
	switch c := c.(type) {
	case every:
		return slices.ContainsFunc(c, func(one comparison) bool { return namesAt(one, place) })
	case member:
		if place != each && (len(c.parts) == 0 || c.parts[0] != place) {
			return false
		}
		return namesAt(c.comparison, each)
	case elements:
		return c.all && namesAt(c.comparison, place)
	case values:
		return place == each && !slices.ContainsFunc(c, func(l literal) bool { return l.addresses == nil && !l.self })
	default:
		return false
	}
}

// sums warns of matches that let any amount of tokens be sent.
func (l *linter) sums(rule *Rule, m *Match, possible []string) {
	if rule.Approvals == nil {
		if does := m.moves(possible); does.amounts && !l.boundsSent(rule, m) {
			l.warn(rule, unboundedAmount, m.Lines[does.word], "allows transfers of any amount: add amount_max, or a limit {measure: amount, ..} on each token that it may be")
		}
	}
	for i := range m.Inner {
		l.sums(rule, &m.Inner[i], possible)
	}
}

// boundsSent reports whether something bounds what a match moves.
func (l *linter) boundsSent(rule *Rule, m *Match) bool {
	if m.has("amount_max", "token_id") || l.limitsAmount(rule, m) || m.boundsMember() || l.ofCollections(rule, m) {
		return true
	}
	if !m.has("function") {
		return false
	}
	method := m.find("function").want()
	counted := func(one *limit.Limit) bool { return one.Measure == limit.Argument && one.Method == method }
	return m.boundsArgument(method) || slices.ContainsFunc(l.limitsOf(rule, m, possibleActs(rule)), counted)
}

// ofCollections reports whether all tokens of a match are collections (ERC-721): one
// is moved at a time.
func (l *linter) ofCollections(rule *Rule, m *Match) bool {
	tokens := m.tokens(rule)
	return len(tokens) > 0 && !slices.ContainsFunc(tokens, func(address common.Address) bool {
		for _, of := range l.policy.named.tokens {
			if of.address == address {
				return of.standard != "erc721"
			}
		}
		return true
	})
}
