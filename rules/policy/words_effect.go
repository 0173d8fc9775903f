package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

func effectKinds() []string {
	return []string{facts.Transfer, facts.Approve, facts.Permit, facts.ApproveAll}
}

// effectWords are about what a call, or typed data, does to tokens.
func effectWords() []word {
	return []word{
		effectWord(),
		tokenWord(),
		partyWord("recipient", "who gets the tokens, or may take them", byRecipient, func(e *facts.Effect) common.Address { return e.Recipient }),
		partyWord("owner", "whose tokens they are; self is the account, or the Safe of a Safe transaction", byNothing, func(e *facts.Effect) common.Address { return e.Owner }),
		amountWord("amount_max", "the amount of a token in all, at most: of all that the request moves or hands over, within inner of each call; names the token", true),
		amountWord("amount_min", "the amount of a token in all, at least; names the token", false),
		unlimitedWord(),
		tokenIDWord(),
		deadlineWord(),
	}
}

func effectWord() word {
	return word{
		key: "effect", level: aboutEffect, doc: "what is done to tokens", shape: oneOrMore(choiceShape(effectKinds()...)),
		parse: func(p *parser, node *yaml.Node) predicate {
			texts, ok := p.choices(node, "effect", effectKinds()...)
			if !ok {
				return nil
			}
			wanted := make(map[string]bool)
			for _, text := range texts {
				wanted[text] = true
			}
			return &atom{
				word: "effect", wants: oneOf(texts...), holds: reach{texts: texts},
				ask:   func(s *subject) truth { return is(wanted[s.effect.Kind]) },
				shows: func(s *subject) string { return s.effect.Kind },
			}
		},
	}
}

// onChain reports whether the request is for a chain: unknown if it names none,
// and so may be for each.
func (s *subject) onChain(chain uint64) truth {
	id := s.Request.ChainID
	if id == nil {
		return unknown
	}
	return is(id.IsUint64() && id.Uint64() == chain)
}

// ofToken reports whether the effect is on a token of a policy.
func (s *subject) ofToken(t *token) truth {
	if s.effect.Token != t.address {
		return isFalse
	}
	return s.onChain(t.chain)
}

func tokenWord() word {
	return word{
		key: "token", level: aboutEffect, doc: "the token, by its name in the policy, which implies its chain, or by its address", shape: oneOrMore(addressShape()),
		parse: func(p *parser, node *yaml.Node) predicate {
			declared, undeclared, text, ok := p.tokens(node, "token")
			if !ok {
				return nil
			}
			values := keys{by: byToken, addresses: undeclared}
			anywhere := make(map[common.Address]bool)
			for _, address := range undeclared {
				anywhere[address] = true
			}
			for i := range declared {
				values.addresses = append(values.addresses, declared[i].address)
			}
			return &narrowed{values: values, atom: atom{
				word: "token", wants: oneOf(text), chained: len(undeclared) == 0,
				ask: func(s *subject) truth {
					if anywhere[s.effect.Token] {
						return isTrue
					}
					answer := isFalse
					for i := range declared {
						switch s.ofToken(&declared[i]) {
						case isTrue:
							return isTrue
						case unknown:
							answer = unknown
						}
					}
					return answer
				},
				shows: func(s *subject) string {
					if s.Request.ChainID == nil {
						return s.effect.Token.Hex() + " on any chain"
					}
					return s.effect.Token.Hex() + " on chain " + s.Request.ChainID.String()
				},
			}}
		},
	}
}

func partyWord(key, doc string, by dimension, fact func(e *facts.Effect) common.Address) word {
	return word{key: key, level: aboutEffect, doc: doc, shape: oneOrMore(addressShape()), parse: func(p *parser, node *yaml.Node) predicate {
		set, ok := p.addresses(node, key, wordSelf)
		if !ok {
			return nil
		}
		made := narrowed{atom: atom{
			word: key, wants: oneOf(set.text),
			ask:   func(s *subject) truth { return s.party(set, fact(s.effect)) },
			shows: func(s *subject) string { return fact(s.effect).Hex() },
		}}
		if !set.words[wordSelf] {
			made.values = keys{by: by, addresses: set.all()}
		}
		return &made
	}}
}

// amountWord is a bound of an amount. It is about one token alone.
func amountWord(key, doc string, upper bool) word {
	return word{key: key, level: aboutEffect, doc: doc, shape: amountShape(), parse: func(p *parser, node *yaml.Node) predicate {
		a, ok := p.amount(node, key, inTokens)
		if !ok {
			return nil
		}
		if a.token.standard == "erc721" {
			p.errorf(node, "%s: %s is a collection (erc721), of which there are no amounts: use token_id", key, quoted(a.token.name))
			return nil
		}
		wants := "at least " + a.text
		if upper {
			wants = "at most " + a.text
		}
		return &narrowed{values: keys{by: byToken, addresses: []common.Address{a.token.address}}, atom: atom{
			word: key, wants: wants, holds: reach{bound: &a.value, upper: upper, unit: a.token.name}, chained: true,
			ask: func(s *subject) truth {
				of := s.ofToken(a.token)
				if of == isFalse || s.within(&a.value, upper) {
					return of
				}
				return isFalse
			},
			shows: func(s *subject) string { return shownTokens(s, a.token) },
		}}
	}}
}

// within compares the amount of an effect, with all of the token beside it, with a bound.
// No bound is above an amount without one.
func (s *subject) within(bound *uint256.Int, upper bool) bool {
	amount, unlimited := s.Total(s.action, s.effect)
	switch {
	case unlimited:
		return !upper
	case upper:
		return !amount.Gt(bound)
	default:
		return !amount.Lt(bound)
	}
}

// shownTokens shows an amount in the unit of a token, if it is of that.
func shownTokens(s *subject, unit *token) string {
	amount, unlimited := s.Total(s.action, s.effect)
	switch {
	case s.effect.Token != unit.address:
		return "the token " + s.effect.Token.Hex()
	case s.ofToken(unit) == isFalse:
		return unit.name + " on chain " + s.Request.ChainID.String()
	case unlimited:
		return "all " + unit.name
	case amount != s.effect.Amount:
		return shownAmount(&amount, unit) + " in all"
	default:
		return shownAmount(&amount, unit)
	}
}

func unlimitedWord() word {
	return word{
		key: "amount", level: aboutEffect, doc: "unlimited: an amount that no balance reaches", shape: choiceShape("unlimited"),
		parse: func(p *parser, node *yaml.Node) predicate {
			if text, ok := p.text(node, "amount"); !ok || text != "unlimited" {
				if ok {
					p.errorf(node, "amount: want unlimited, not %s: bounds are amount_max and amount_min", quoted(text))
				}
				return nil
			}
			return &atom{
				word: "amount", wants: "unlimited",
				ask: func(s *subject) truth { return is(s.effect.Unlimited) },
				shows: func(s *subject) string {
					if s.effect.Unlimited {
						return "unlimited"
					}
					return s.effect.Amount.Dec() + " of the smallest unit"
				},
			}
		},
	}
}

func tokenIDWord() word {
	return word{
		key: "token_id", level: aboutEffect, doc: "the id of a token in a collection (ERC-721, ERC-1155)",
		shape: oneOrMore(anyOfShapes(integerShape(), patternShape(`^(0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$`))),
		parse: func(p *parser, node *yaml.Node) predicate {
			wanted := make(map[uint256.Int]bool)
			elements := p.list(node, "token_id")
			ok := len(elements) > 0
			var texts []string
			for _, element := range elements {
				n, good := p.number(element, "token_id")
				if !good || n.Sign() < 0 {
					if good {
						p.errorf(element, "token_id: %s is below zero", quoted(element.Value))
					}
					ok = false
					continue
				}
				wanted[*uint256.MustFromBig(n)] = true
				texts = append(texts, element.Value)
			}
			if !ok {
				return nil
			}
			collections := p.collections()
			return &atom{
				word: "token_id", wants: oneOf(texts...),
				ask:   func(s *subject) truth { return s.hasID(wanted, collections) },
				shows: shownID,
			}
		},
	}
}

// collections are the tokens of the policy whose amounts are ids.
func (p *parser) collections() []token {
	var all []token
	for _, name := range names(p.scope.tokens) {
		if t := p.scope.tokens[name]; t.standard == "erc721" {
			all = append(all, t)
		}
	}
	return all
}

// hasID reports whether the effect is on one of some ids. Call data of ERC-721
// looks like that of ERC-20: unless the policy says what the token is, a number
// that is one of the ids may be an amount.
func (s *subject) hasID(wanted map[uint256.Int]bool, collections []token) truth {
	switch e := s.effect; {
	case e.ID != nil:
		return is(wanted[*e.ID])
	case e.Kind == facts.ApproveAll:
		return unknown // it is on every id
	case !wanted[e.Amount]:
		return isFalse
	}
	for i := range collections {
		if s.ofToken(&collections[i]) == isTrue {
			return isTrue
		}
	}
	return unknown
}

func shownID(s *subject) string {
	switch e := s.effect; {
	case e.ID != nil:
		return e.ID.Dec()
	case e.Kind == facts.ApproveAll:
		return "every id"
	default:
		return fmt.Sprintf("%s, an id or an amount", e.Amount.Dec())
	}
}

// maxDeadline bounds how far away a deadline may be by a policy.
const maxDeadline = 10 * 366 * 24 * time.Hour

func deadlineWord() word {
	return word{
		key: "deadline_within", level: aboutEffect, doc: "how far away the deadline of a permit is, at most", shape: textShape(),
		parse: func(p *parser, node *yaml.Node) predicate {
			within, ok := p.span(node, "deadline_within", time.Second, maxDeadline)
			if !ok {
				return nil
			}
			return &atom{
				word: "deadline_within", wants: "at most " + strings.TrimSpace(within.text) + " away",
				ask: func(s *subject) truth {
					deadline := s.effect.Deadline
					return is(deadline != nil && deadline.IsUint64() && deadline.Uint64() <= uint64(max(0, s.Time.Add(within.Duration).Unix())))
				},
				shows: shownDeadline,
			}
		},
	}
}

func shownDeadline(s *subject) string {
	deadline := s.effect.Deadline
	switch {
	case deadline == nil:
		return "no deadline"
	case !deadline.IsUint64() || deadline.Uint64() > 253402300799: // the year 9999
		return "a deadline that never comes"
	default:
		return time.Unix(int64(deadline.Uint64()), 0).UTC().Format(time.RFC3339) //nolint:gosec // bounded above
	}
}
