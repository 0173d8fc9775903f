package policy

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
)

// moving is what a match lets happen to tokens.
type moving struct {
	word     string // that says so
	sends    bool   // moves them
	amounts  bool   // moves amounts of them, and not one by its id
	approves bool   // lets others take them
	others   bool   // moves those of others than the account
	open     bool   // typed data of which nothing says the type
}

// moves tells what a match lets happen to tokens, as far as its words say so. Where
// they say nothing of calls, there are other warnings.
func (m *Match) moves(possible []string) moving {
	if m.isPlain() {
		return moving{}
	}
	word, methods := m.methods()
	switch {
	case word != "":
		found := moving{word: word}
		for _, method := range methods {
			does := sends(method)
			found.sends = found.sends || does
			found.amounts = found.amounts || does && !strings.HasPrefix(nameOf(method), "safe")
			found.others = found.others || does && sendsOthers(method)
			found.approves = found.approves || slices.Contains(approving(), nameOf(method))
		}
		return found
	case len(explicit(m.Effects)) > 0 && !m.has("primary_type"):
		kinds := m.textsOf("effect")
		sends := kinds == nil || slices.Contains(kinds, facts.Transfer)
		return moving{
			word: explicit(m.Effects)[0].key(), sends: sends, amounts: sends, others: sends,
			approves: kinds == nil || slices.ContainsFunc(kinds, func(kind string) bool { return kind != facts.Transfer }),
		}
	case m.has("primary_type"), m.has("domain", "message") && slices.Contains(possible, facts.KindTypedData):
		permits, sends := m.handsOver()
		open := !m.has("primary_type")
		word := "primary_type"
		if open {
			word = "message"
		}
		return moving{word: word, sends: sends, amounts: sends, approves: permits && slices.Contains(possible, facts.KindTypedData), open: open}
	default:
		return moving{}
	}
}

// isPlain reports whether a match is about payments without call data alone.
func (m *Match) isPlain() bool { return m.has("plain") && m.find("plain").want() == "true" }

// recipients warns of matches that move tokens and say not to whom: that a token is
// called says nothing of who gets it.
func (l *linter) recipients(rule *Rule, m *Match, possible []string) {
	does := m.moves(possible)
	covered := false // by the warning that the type is open
	if does.open {
		typed := []string{facts.KindTypedData}
		does.sends = does.sends && !l.deniesEffects(rule, m, typed, facts.Transfer)
		does.approves = does.approves && !l.deniesEffects(rule, m, typed, facts.Permit)
		covered = !m.boundsMember(possible) && !l.limitsAmount(rule, m)
	}
	if (does.sends || does.approves && !m.takesBack()) && !covered && !m.namesRecipient(possible) {
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
// or by an address that is the argument or the member for it.
func (m *Match) namesRecipient(possible []string) bool {
	if m.has("recipient") {
		return true
	}
	if word, methods := m.methods(); word != "" && !slices.ContainsFunc(methods, func(method string) bool { return !m.namesIn(method) }) {
		return true
	}
	// The member to of a Safe transaction is who is called.
	return !slices.Contains(possible, facts.KindSafe) &&
		slices.ContainsFunc([]string{"spender", "to", "operator"}, func(name string) bool { return namesAt(m.compared("message"), name) })
}

// namesIn reports whether the arguments of a method say who gets tokens, if anybody does.
func (m *Match) namesIn(method string) bool {
	if known := flowsOf(method); len(known) > 0 {
		for _, of := range known {
			if of.recipient != nil && !namesPath(m.compared("args"), of.recipient) {
				return false
			}
		}
		return true
	}
	place := each // anywhere
	if sends(method) {
		place = "0"
		if sendsOthers(method) {
			place = "1"
		}
	}
	return namesAt(m.compared("args"), place)
}

// namesPath is namesAt for what lies at a path.
func namesPath(c comparison, path []string) bool {
	switch c := c.(type) {
	case every:
		return slices.ContainsFunc(c, func(one comparison) bool { return namesPath(one, path) })
	case member:
		n := len(c.parts)
		return n <= len(path) && slices.Equal(c.parts, path[:n]) && namesPath(c.comparison, path[n:])
	case elements:
		return c.all && len(path) > 0 && path[0] == each && namesPath(c.comparison, path[1:])
	default:
		return len(path) == 0 && namesAt(c, each)
	}
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

// sums warns of matches that let any amount of tokens be sent. Limits do not count what
// a contract that is called pays of its own.
func (l *linter) sums(rule *Rule, m *Match, possible []string, by purse) {
	if does := m.moves(possible); rule.Approvals == nil && does.amounts && !does.open && !l.boundsSent(rule, m, possible, by) {
		l.warn(rule, unboundedAmount, m.Lines[does.word], "allows transfers of any amount: add amount_max, or a limit {measure: amount, ..} on each token that it may be%s", by.instead())
	}
	for i := range m.Inner {
		l.sums(rule, &m.Inner[i], possible, m.purseWithin(possible, by))
	}
}

// boundsSent reports whether something bounds what a match moves.
func (l *linter) boundsSent(rule *Rule, m *Match, possible []string, by purse) bool {
	if m.has("token_id") || m.caps("amount_max") || m.boundsMember(possible) || l.ofCollections(rule, m) || l.countsArguments(rule, m) {
		return true
	}
	if l.limitsAmount(rule, m) && (!by.tokens || m.ofSelf()) {
		return true
	}
	return m.has("function") && m.boundsArgument(m.find("function").want())
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
