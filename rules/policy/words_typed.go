package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// typedWords are about EIP-712 data, and about Safe transactions, which are
// signed in that form.
func typedWords() []word {
	return []word{
		textWord("primary_type", "the primary type of typed data (EIP-712)", textShape(),
			func(p *parser, node *yaml.Node) ([]string, bool) { return p.texts(node, "primary_type") },
			func(s *subject) (string, bool) {
				if s.Typed == nil {
					return "", false
				}
				return s.Typed.PrimaryType, true
			}),
		domainWord(),
		messageWord(),
		safeWord(),
	}
}

// typedCheck is one condition on a request for typed data.
type typedCheck struct {
	wants string
	ask   func(s *subject) truth
}

// typedAtom is a predicate of several conditions.
func typedAtom(key string, checks []typedCheck, shows func(s *subject) string) *atom {
	wants := make([]string, len(checks))
	for i := range checks {
		wants[i] = checks[i].wants
	}
	return &atom{
		word: key, wants: strings.Join(wants, ", "),
		ask: func(s *subject) truth {
			if s.Typed == nil {
				return isFalse
			}
			all := isTrue
			for i := range checks {
				switch checks[i].ask(s) {
				case isFalse:
					return isFalse
				case unknown:
					all = unknown
				}
			}
			return all
		},
		shows: func(s *subject) string {
			if s.Typed == nil {
				return "no typed data"
			}
			return shows(s)
		},
	}
}

// domainPredicate is about a domain, and knows which contracts it may be of.
type domainPredicate struct {
	*atom
	contracts []common.Address // nil: any
	names     []string         // nil: any, or none
	more      bool             // it has a version or a salt
}

func domainWord() word {
	return word{
		key: "domain", doc: "the domain of typed data (EIP-712)",
		shape: shape{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": map[string]any{
			"name": oneOrMore(textShape()), "version": oneOrMore(textShape()), "chain": oneOrMore(chainShape()),
			"contract": oneOrMore(addressShape()), "salt": patternShape("^0x[0-9a-fA-F]{64}$"),
		}},
		parse: func(p *parser, node *yaml.Node) predicate {
			var contracts []common.Address
			var names []string
			found := p.fields(node, "domain", "name", "version", "chain", "contract", "salt")
			ok := len(found) > 0
			if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
				p.errorf(node, "domain: want name, version, chain, contract or salt")
			}
			var checks []typedCheck
			for _, part := range []struct {
				key  string
				fact func(t *facts.Typed) string
			}{{"name", func(t *facts.Typed) string { return t.Name }}, {"version", func(t *facts.Typed) string { return t.Version }}} {
				if node := found[part.key]; node != nil {
					texts, good := p.texts(node, "domain."+part.key)
					ok = ok && good
					if part.key == "name" {
						names = texts
					}
					checks = append(checks, typedCheck{part.key + " " + oneOf(texts...), func(s *subject) truth { return is(slices.Contains(texts, part.fact(s.Typed))) }})
				}
			}
			if node := found["chain"]; node != nil {
				ids, text, good := p.chains(node, "domain.chain")
				ok = ok && good
				checks = append(checks, typedCheck{"chain " + oneOf(text), func(s *subject) truth { return onChain(s, ids) }})
			}
			if node := found["contract"]; node != nil {
				set, good := p.addresses(node, "domain.contract")
				ok = ok && good
				contracts = set.all()
				checks = append(checks, typedCheck{"contract " + oneOf(set.text), func(s *subject) truth { return is(s.Typed.Contract != nil && set.has(*s.Typed.Contract)) }})
			}
			if node := found["salt"]; node != nil {
				salt, good := p.bytes(node, "domain.salt", common.HashLength)
				ok = ok && good
				checks = append(checks, typedCheck{"salt " + node.Value, func(s *subject) truth {
					return is(s.Typed.Salt != nil && *s.Typed.Salt == common.BytesToHash(salt))
				}})
			}
			if !ok {
				return nil
			}
			domain := typedAtom("domain", checks, shownDomain)
			domain.chained = found["chain"] != nil
			return &domainPredicate{domain, contracts, names, found["version"] != nil || found["salt"] != nil}
		},
	}
}

func shownDomain(s *subject) string {
	t := s.Typed
	parts := []string{"name " + quoted(t.Name), "version " + quoted(t.Version)}
	if s.Request.ChainID != nil {
		parts = append(parts, "chain "+s.Request.ChainID.String())
	}
	if t.Contract != nil {
		parts = append(parts, "contract "+t.Contract.Hex())
	}
	if t.Salt != nil {
		parts = append(parts, "salt "+t.Salt.Hex())
	}
	return strings.Join(parts, ", ")
}

// messageWord compares members of the message.
func messageWord() word {
	return word{
		key: "message", doc: "members of the message of typed data, by their paths", shape: shape{"$ref": "#/$defs/members"},
		parse: func(p *parser, node *yaml.Node) predicate {
			made, ok := p.members(node, "message", parameter{})
			if !ok {
				return nil
			}
			value := func(s *subject) (any, truth) {
				if s.Typed == nil {
					return nil, isFalse
				}
				return s.Typed.Message, isTrue
			}
			return &atom{
				word: "message", wants: made.want(), parts: partsOf("message", made, value), compares: made,
				ask: func(s *subject) truth {
					message, known := value(s)
					if known != isTrue {
						return known
					}
					return made.holds(s, message)
				},
				shows: func(s *subject) string {
					if s.Typed == nil {
						return "no typed data"
					}
					return shownMembers(made, s.Typed.Message)
				},
			}
		},
	}
}

// shownMembers shows the values that comparisons are about.
func shownMembers(made comparison, value any) string {
	all, ok := made.(every)
	if !ok {
		all = every{made}
	}
	var texts []string
	for _, c := range all {
		m, ok := c.(member)
		if !ok {
			continue
		}
		text := "nothing"
		if found, there := follow(value, m.parts); there {
			text = shownValue(found)
		}
		texts = append(texts, m.path+" "+text)
	}
	return strings.Join(texts, ", ")
}

// safeWord is about what a Safe transaction says besides the call it makes.
func safeWord() word {
	addresses := oneOrMore(addressShape())
	return word{
		key: "safe", doc: "a Safe transaction: which Safe, and what it may pay back for gas", kinds: []string{facts.KindSafe},
		shape: object([]string{"safe"}, map[string]any{"safe": addresses, "refund_max": amountShape(), "gas_token": addresses, "refund_receiver": addresses}),
		parse: func(p *parser, node *yaml.Node) predicate {
			found := p.fields(node, "safe", "safe", "refund_max", "gas_token", "refund_receiver")
			if !p.require(node, "safe", found, "safe") {
				return nil
			}
			checks, ok := p.safe(found)
			if !ok {
				return nil
			}
			return typedAtom("safe", checks, shownSafe)
		},
	}
}

// safe reads the conditions on a Safe transaction.
func (p *parser) safe(found map[string]*yaml.Node) (checks []typedCheck, ok bool) {
	ok = true
	for _, part := range []struct {
		key  string
		fact func(t *facts.Safe) common.Address
	}{
		{"safe", func(t *facts.Safe) common.Address { return t.Address }},
		{"gas_token", func(t *facts.Safe) common.Address { return t.GasToken }},
		{"refund_receiver", func(t *facts.Safe) common.Address { return t.RefundReceiver }},
	} {
		node := found[part.key]
		if node == nil {
			continue
		}
		set, good := p.addresses(node, "safe."+part.key, wordNone)
		ok = ok && good
		checks = append(checks, typedCheck{part.key + " " + oneOf(set.text), func(s *subject) truth {
			if s.Typed.Safe == nil {
				return isFalse
			}
			got := part.fact(s.Typed.Safe)
			return is(set.has(got) || set.words[wordNone] && got == (common.Address{}))
		}})
	}
	if node := found["refund_max"]; node != nil {
		most, good := p.amount(node, "safe.refund_max", inWei|inTokens)
		ok = ok && good
		checks = append(checks, typedCheck{"refund at most " + most.text, func(s *subject) truth { return refundWithin(s, &most) }})
	}
	return checks, ok
}

// refundWithin bounds what a Safe refunds. It says itself in which token that is:
// a bound in another one is none.
func refundWithin(s *subject, most *amount) truth {
	safe := s.Typed.Safe
	switch {
	case safe == nil:
		return isFalse
	case safe.MaxRefund.IsZero():
		return isTrue
	case safe.MaxRefund.Gt(&most.value):
		return isFalse
	case most.token == nil:
		return is(safe.GasToken == common.Address{})
	case safe.GasToken != most.token.address:
		return isFalse
	default:
		return s.onChain(most.token.chain)
	}
}

func shownSafe(s *subject) string {
	t := s.Typed.Safe
	if t == nil {
		return "no Safe transaction"
	}
	return fmt.Sprintf("safe %s, gas_token %s, refund_receiver %s, refund %s", t.Address.Hex(), t.GasToken.Hex(), t.RefundReceiver.Hex(), shownAmount(&t.MaxRefund, nil))
}
