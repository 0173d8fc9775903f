package policy

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// actionWords are about one call, or about the token that typed data hands over.
func actionWords() []word {
	return []word{
		toWord(),
		valueWord("value_max", "the ether that is sent along, at most", true),
		valueWord("value_min", "the ether that is sent along, at least", false),
		callFlag("plain", "whether there is no call data: a mere payment", func(a *facts.Action) bool { return len(a.Data) == 0 && a.To != nil }),
		callFlag("delegate_call", "whether the code of the other contract runs with the powers of the caller", func(a *facts.Action) bool { return a.Delegate }),
		dataWord(),
		selectorWord(),
		callWord(),
		functionWord(),
		argsWord(),
	}
}

// own is the address that acts in the name of a request: of the account, or of
// the Safe for a Safe transaction.
func (s *subject) own() common.Address {
	if s.Typed != nil && s.Typed.Safe != nil {
		return s.Typed.Safe.Address
	}
	return s.Request.Account.Address
}

// calls reports whether the action is a call: typed data makes none.
func (s *subject) calls() bool { return s.Kind == facts.KindTransaction || s.Kind == facts.KindSafe }

// party reports whether an address is in a set of addresses, where self may stand.
func (s *subject) party(set *addresses, address common.Address) truth {
	return is(set.has(address) || set.words[wordSelf] && address == s.own())
}

func toWord() word {
	return word{
		key: "to", level: aboutAction, doc: "the contract that is called, or who is paid; the token of typed data", shape: oneOrMore(addressShape()),
		parse: func(p *parser, node *yaml.Node) predicate {
			set, ok := p.addresses(node, "to", wordSelf)
			if !ok {
				return nil
			}
			made := narrowed{atom: atom{
				word: "to", wants: oneOf(set.text),
				ask: func(s *subject) truth {
					if s.action.To == nil {
						return isFalse
					}
					return s.party(set, *s.action.To)
				},
				shows: func(s *subject) string {
					if s.action.To == nil {
						return "a new contract"
					}
					return s.action.To.Hex()
				},
			}}
			if !set.words[wordSelf] {
				made.values = keys{by: byTo, addresses: set.all()}
			}
			return &made
		},
	}
}

func valueWord(key, doc string, upper bool) word {
	return word{key: key, level: aboutAction, doc: doc, shape: weiShape(), parse: func(p *parser, node *yaml.Node) predicate {
		a, ok := p.amount(node, key, inWei)
		if !ok {
			return nil
		}
		wants := "at least " + a.text
		if upper {
			wants = "at most " + a.text
		}
		return &atom{
			word: key, wants: wants, holds: reach{bound: &a.value, upper: upper},
			ask: func(s *subject) truth {
				if upper {
					return is(!s.action.Value.Gt(&a.value))
				}
				return is(!s.action.Value.Lt(&a.value))
			},
			shows: func(s *subject) string { return shownAmount(&s.action.Value, nil) },
		}
	}}
}

// callFlag is a fact of a call that is so or not so.
func callFlag(key, doc string, fact func(a *facts.Action) bool) word {
	return word{key: key, level: aboutAction, doc: doc, shape: booleanShape(), parse: func(p *parser, node *yaml.Node) predicate {
		want, ok := p.boolean(node, key)
		if !ok {
			return nil
		}
		return &atom{
			word: key, wants: strconv.FormatBool(want),
			ask: func(s *subject) truth { return is(s.calls() && fact(s.action) == want) },
			shows: func(s *subject) string {
				if !s.calls() {
					return "no call"
				}
				return strconv.FormatBool(fact(s.action))
			},
		}
	}}
}

func dataWord() word {
	return word{
		key: "data_max", level: aboutAction, doc: "the bytes of call data, at most", shape: integerShape(),
		parse: func(p *parser, node *yaml.Node) predicate {
			most, ok := p.integer(node, "data_max", math.MaxInt32)
			if !ok {
				return nil
			}
			return &atom{
				word: "data_max", wants: fmt.Sprintf("at most %d bytes", most), holds: reach{bound: uint256.NewInt(most), upper: true},
				ask:   func(s *subject) truth { return is(s.calls() && uint64(len(s.action.Data)) <= most) },
				shows: func(s *subject) string { return fmt.Sprintf("%d bytes", len(s.action.Data)) },
			}
		},
	}
}

func selectorWord() word {
	return word{
		key: "selector", level: aboutAction, doc: "the first four bytes of call data", shape: oneOrMore(patternShape("^0x[0-9a-fA-F]{8}$")),
		parse: func(p *parser, node *yaml.Node) predicate {
			wanted := make(map[[4]byte]bool)
			elements := p.list(node, "selector")
			ok := len(elements) > 0
			var texts []string
			for _, element := range elements {
				raw, good := p.bytes(element, "selector", 4)
				if !good {
					ok = false
					continue
				}
				wanted[[4]byte(raw)] = true
				texts = append(texts, hexutil.Encode(raw))
			}
			if !ok {
				return nil
			}
			values := keys{by: bySelector}
			for selector := range wanted {
				values.numbers = append(values.numbers, numberOf(selector))
			}
			return &narrowed{values: values, atom: atom{
				word: "selector", wants: oneOf(texts...),
				ask: func(s *subject) truth {
					got, known := selectorOf(s)
					if known != isTrue {
						return known
					}
					return is(wanted[got])
				},
				shows: shownData,
			}}
		},
	}
}

// selectorOf returns the selector of a call: unknown where there are fewer than
// four bytes, false where there is none.
func selectorOf(s *subject) ([4]byte, truth) {
	switch data := s.action.Data; {
	case len(data) == 0 || s.action.To == nil:
		return [4]byte{}, isFalse
	case len(data) < 4:
		return [4]byte{}, unknown
	default:
		return [4]byte(data), isTrue
	}
}

// shownData shows how call data begins.
func shownData(s *subject) string {
	switch data := s.action.Data; {
	case s.action.To == nil:
		return "the code of a new contract"
	case len(data) == 0:
		return "no call data"
	case len(data) < 4:
		return hexutil.Encode(data) + ", which is no selector"
	default:
		return hexutil.Encode(bytes.Clone(data[:4]))
	}
}
