package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// kinds are all that can be asked for.
func kinds() []string {
	return []string{
		facts.KindTransaction, facts.KindTypedData, facts.KindText, facts.KindSafe, facts.KindClique, facts.KindValidator, facts.KindPayload,
		facts.KindList, facts.KindNewAccount,
	}
}

func listeners() []string { return []string{"ipc", "http", "ws"} }

// requestWords are about who asks for what, with which account, and when.
func requestWords() []word {
	plain := func(key string) func(p *parser, node *yaml.Node) ([]string, bool) {
		return func(p *parser, node *yaml.Node) ([]string, bool) { return p.texts(node, key) }
	}
	among := func(key string, allowed []string) func(p *parser, node *yaml.Node) ([]string, bool) {
		return func(p *parser, node *yaml.Node) ([]string, bool) { return p.choices(node, key, allowed...) }
	}
	return []word{
		{
			key: "principal", doc: "who asks, as the listener proves it", shape: oneOrMore(textShape()),
			parse: func(p *parser, node *yaml.Node) predicate {
				texts, ok := p.texts(node, "principal")
				if !ok {
					return nil
				}
				return &narrowed{values: keys{by: byPrincipal, texts: texts}, atom: atom{
					word: "principal", wants: oneOf(texts...),
					ask:   func(s *subject) truth { return is(slices.Contains(texts, s.Request.Principal)) },
					shows: func(s *subject) string { return fmt.Sprintf("%q", s.Request.Principal) },
				}}
			},
		},
		textWord("listener", "the listener that the request came by", choiceShape(listeners()...), among("listener", listeners()),
			func(s *subject) (string, bool) { return s.Request.Caller.Transport, true }),
		textWord("method", "the JSON-RPC method", textShape(), plain("method"), func(s *subject) (string, bool) { return s.Request.Method, true }),
		textWord("kind", "what is asked for", choiceShape(kinds()...), among("kind", kinds()), func(s *subject) (string, bool) { return s.Kind, true }),
		accountWord(),
		textWord("vault", "the vault of the account's key, by its name in the configuration", textShape(), plain("vault"),
			func(s *subject) (string, bool) { return s.Request.Account.Vault, s.Request.Account.Vault != "" }),
		keyWord(),
		tagWord(),
		chainWord(),
		timeWord(),
		instantWord("not_before", "the time from which on the rule matches", false),
		instantWord("not_after", "the time until which the rule matches", true),
	}
}

// keyWord is the place of a key: in a vault, by its name.
func keyWord() word {
	return word{
		key: "key", doc: "the account's key, as VAULT/KEY", shape: oneOrMore(patternShape(`^[^/]+/[^/]+$`)),
		parse: func(p *parser, node *yaml.Node) predicate {
			set := make(map[[2]string]bool)
			texts, ok := p.distinct(node, "key", func(element *yaml.Node, text string) bool {
				vault, key, found := strings.Cut(text, "/")
				if !found || vault == "" || key == "" || strings.Contains(key, "/") {
					p.errorf(element, "key: want VAULT/KEY, such as prod/payouts, not %s", quoted(text))
					return false
				}
				set[[2]string{vault, key}] = true
				return true
			})
			if !ok {
				return nil
			}
			return &atom{
				word: "key", wants: oneOf(texts...),
				ask: func(s *subject) truth { return is(set[[2]string{s.Request.Account.Vault, s.Request.Account.Key}]) },
				shows: func(s *subject) string {
					if s.Request.Account.Key == "" {
						return notThere
					}
					return quoted(s.Request.Account.Vault + "/" + s.Request.Account.Key)
				},
			}
		},
	}
}

func accountWord() word {
	return word{
		key: "account", doc: "the account that signs", shape: oneOrMore(addressShape()),
		parse: func(p *parser, node *yaml.Node) predicate {
			set, ok := p.addresses(node, "account")
			if !ok {
				return nil
			}
			return &narrowed{values: keys{by: byAccount, addresses: set.all()}, atom: atom{
				word: "account", wants: oneOf(set.text),
				ask: func(s *subject) truth { return is(s.Request.Kind.Signs() && set.has(s.Request.Account.Address)) },
				shows: func(s *subject) string {
					if !s.Request.Kind.Signs() {
						return notThere
					}
					return s.Request.Account.Address.Hex()
				},
			}}
		},
	}
}

func tagWord() word {
	return word{
		key: "tag", doc: "tags of the account's key in the vault, all of which must be there",
		shape: shape{"type": "object", "additionalProperties": shape{"type": "string"}, "minProperties": 1},
		parse: func(p *parser, node *yaml.Node) predicate {
			wanted := make(map[string]string)
			for _, e := range p.entries(node, "tag") {
				value, ok := p.text(e.value, "tag."+clip(e.key))
				if !ok {
					return nil
				}
				wanted[e.key] = value
			}
			if len(wanted) == 0 {
				p.errorf(node, "tag: want names and values, such as team: payments")
				return nil
			}
			return &atom{
				word: "tag", wants: shownTags(wanted),
				ask: func(s *subject) truth {
					for name, value := range wanted {
						if got, ok := s.Request.Account.Tags[name]; !ok || got != value {
							return isFalse
						}
					}
					return isTrue
				},
				shows: func(s *subject) string { return shownTags(s.Request.Account.Tags) },
			}
		},
	}
}

func shownTags(tags map[string]string) string {
	if len(tags) == 0 {
		return "no tags"
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, fmt.Sprintf("%s: %s", clip(name), clip(tags[name])))
	}
	return strings.Join(all, ", ")
}

func chainWord() word {
	return word{
		key: "chain", doc: "the chain of a transaction, a Safe transaction, typed data or a block payload, by name or id",
		shape: oneOrMore(chainShape()),
		parse: func(p *parser, node *yaml.Node) predicate {
			ids, text, ok := p.chains(node, "chain")
			if !ok {
				return nil
			}
			return &narrowed{values: keys{by: byChain, numbers: ids}, atom: atom{
				word: "chain", wants: oneOf(text), chained: true,
				ask: func(s *subject) truth { return onChain(s, ids) },
				shows: func(s *subject) string {
					if s.Request.ChainID == nil {
						return "no chain"
					}
					return s.Request.ChainID.String()
				},
			}}
		},
	}
}

// onChain tells whether a request is for one of these chains. Typed data that
// names none may be used on each.
func onChain(s *subject, ids []uint64) truth {
	id := s.Request.ChainID
	if id == nil && s.Typed != nil {
		return unknown
	}
	return is(id != nil && id.IsUint64() && slices.Contains(ids, id.Uint64()))
}
