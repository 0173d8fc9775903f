package policy

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// maxSignIn is how long a sign-in message may be valid by a policy.
const maxSignIn = 366 * 24 * time.Hour

// textWords are about personal messages.
func textWords() []word { return []word{messageTextWord(), signInWord()} }

// check is one condition of a word that has several.
type check[T any] struct {
	wants string
	holds func(value T) bool
}

// wantsOf describes all conditions.
func wantsOf[T any](checks []check[T]) string {
	all := make([]string, len(checks))
	for i := range checks {
		all[i] = checks[i].wants
	}
	return strings.Join(all, ", ")
}

// textPredicate is what the word text says.
type textPredicate struct {
	atom

	digests bool // a digest may be such a text
}

// messageTextWord is about the text of a message.
func messageTextWord() word {
	return word{
		key: "text", doc: "a personal message (EIP-191)",
		shape: shape{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": map[string]any{
			"exact": oneOrMore(textShape()), "prefix": textShape(), "max_bytes": integerShape(), "printable": booleanShape(),
		}},
		parse: func(p *parser, node *yaml.Node) predicate {
			found := p.fields(node, "text", "exact", "prefix", "max_bytes", "printable")
			var checks []check[[]byte]
			ok, digests := len(found) > 0, true
			if !ok && node.Kind == yaml.MappingNode && len(node.Content) == 0 {
				p.errorf(node, "text: want exact, prefix, max_bytes or printable")
			}
			if node := found["exact"]; node != nil {
				texts, good := p.texts(node, "text.exact")
				ok, digests = ok && good, false
				checks = append(checks, check[[]byte]{oneOf(texts...), func(text []byte) bool { return slices.Contains(texts, string(text)) }})
			}
			if node := found["prefix"]; node != nil {
				prefix, good := p.prefix(node, "text.prefix", "string")
				ok, digests = ok && good, digests && len(prefix.text) < tellingText
				checks = append(checks, check[[]byte]{"it begins with " + quoted(prefix.text), func(text []byte) bool { return bytes.HasPrefix(text, []byte(prefix.text)) }})
			}
			if node := found["max_bytes"]; node != nil {
				most, good := p.integer(node, "text.max_bytes", 1<<30)
				ok, digests = ok && good, digests && most >= digestBytes
				checks = append(checks, check[[]byte]{fmt.Sprintf("at most %d bytes", most), func(text []byte) bool { return uint64(len(text)) <= most }})
			}
			if node := found["printable"]; node != nil {
				want, good := p.boolean(node, "text.printable")
				ok = ok && good
				checks = append(checks, check[[]byte]{fmt.Sprintf("printable: %v", want), func(text []byte) bool { return printable(text) == want }})
			}
			if !ok {
				return nil
			}
			return &textPredicate{digests: digests, atom: atom{
				word: "text", wants: wantsOf(checks),
				ask: func(s *subject) truth {
					if s.Text == nil {
						return isFalse
					}
					for i := range checks {
						if !checks[i].holds(s.Text.Bytes) {
							return isFalse
						}
					}
					return isTrue
				},
				shows: func(s *subject) string {
					if s.Text == nil {
						return "no personal message"
					}
					return fmt.Sprintf("%d bytes: %s", len(s.Text.Bytes), quoted(string(s.Text.Bytes[:min(len(s.Text.Bytes), 4*maxShown)])))
				},
			}}
		},
	}
}

// printable tells whether people can read a text: it is UTF-8, with nothing but
// printable characters and line breaks.
func printable(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	return !bytes.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

// signInWord is about Sign-In-with-Ethereum messages, EIP-4361. A message that
// is not exactly one is none.
func signInWord() word {
	return word{
		key: "siwe", doc: "a personal message that signs in with Ethereum (EIP-4361)",
		shape: object([]string{"domain"}, map[string]any{
			"domain": oneOrMore(textShape()), "address": shape{"const": wordSelf}, "uri": oneOrMore(textShape()), "uri_prefix": oneOrMore(textShape()),
			"chain": oneOrMore(chainShape()), "expires_within": ref("span"), "statement": oneOrMore(textShape()), "resources": booleanShape(),
		}),
		parse: func(p *parser, node *yaml.Node) predicate {
			found := p.fields(node, "siwe", "domain", "address", "uri", "uri_prefix", "chain", "expires_within", "statement", "resources")
			if !p.require(node, "siwe", found, "domain") {
				return nil
			}
			checks, ok := p.signIn(found)
			if !ok {
				return nil
			}
			return &atom{
				word: "siwe", wants: wantsOf(checks),
				ask: func(s *subject) truth {
					if s.Text == nil || s.Text.SIWE == nil {
						return isFalse
					}
					for i := range checks {
						if !checks[i].holds(s) {
							return isFalse
						}
					}
					return isTrue
				},
				shows: shownSignIn,
			}
		},
	}
}

// signIn reads the conditions of a sign-in. What is allowed is always for the
// account that signs, and neither before nor after its time.
func (p *parser) signIn(found map[string]*yaml.Node) (checks []check[*subject], ok bool) {
	if p.allow {
		checks = []check[*subject]{
			{"for the account itself", func(s *subject) bool { return s.Text.SIWE.Address == s.Request.Account.Address }},
			{"within its time", func(s *subject) bool { return inTime(s.Text.SIWE, s.Time) }},
		}
	}
	add := func(wants string, holds func(m *facts.SIWE) bool) {
		checks = append(checks, check[*subject]{wants, func(s *subject) bool { return holds(s.Text.SIWE) }})
	}
	domains, ok := p.texts(found["domain"], "siwe.domain")
	add("domain "+oneOf(domains...), func(m *facts.SIWE) bool { return slices.Contains(domains, m.Domain) })
	if node := found["address"]; node != nil {
		ok = p.choice(node, "siwe.address", wordSelf) != "" && ok
		checks = append(checks, check[*subject]{"for the account itself", func(s *subject) bool { return s.Text.SIWE.Address == s.Request.Account.Address }})
	}
	if node := found["uri"]; node != nil {
		uris, good := p.texts(node, "siwe.uri")
		ok = ok && good
		add("URI "+oneOf(uris...), func(m *facts.SIWE) bool { return slices.Contains(uris, m.URI) })
	}
	if node := found["uri_prefix"]; node != nil {
		prefixes, good := p.distinct(node, "siwe.uri_prefix", p.uriPrefix)
		ok = ok && good
		add("a URI that begins with "+oneOf(prefixes...), func(m *facts.SIWE) bool {
			return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(m.URI, prefix) })
		})
	}
	if node := found["chain"]; node != nil {
		ids, text, good := p.chains(node, "siwe.chain")
		ok = ok && good
		add("chain "+oneOf(text), func(m *facts.SIWE) bool { return slices.Contains(ids, m.ChainID) })
	}
	if node := found["statement"]; node != nil {
		statements, good := p.texts(node, "siwe.statement")
		ok = ok && good
		add("statement "+oneOf(statements...), func(m *facts.SIWE) bool { return slices.Contains(statements, m.Statement) })
	}
	if node := found["resources"]; node != nil {
		want, good := p.boolean(node, "siwe.resources")
		ok = ok && good
		add(fmt.Sprintf("resources: %v", want), func(m *facts.SIWE) bool { return (len(m.Resources) > 0) == want })
	}
	if node := found["expires_within"]; node != nil {
		within, good := p.span(node, "siwe.expires_within", time.Second, maxSignIn)
		ok = ok && good
		checks = append(checks, check[*subject]{"it expires within " + within.text, func(s *subject) bool {
			end := s.Text.SIWE.ExpirationTime
			return end != nil && !end.After(s.Time.Add(within.Duration))
		}})
	}
	return checks, ok
}

// uriPrefix notes a prefix that other hosts have too: without the slash that ends
// the host, https://app.example is also that of https://app.example.org.
func (p *parser) uriPrefix(node *yaml.Node, prefix string) bool {
	u, err := url.Parse(prefix)
	if err == nil && u.Scheme != "" && u.Host != "" && strings.HasPrefix(u.Path, "/") {
		return true
	}
	p.errorf(node, "siwe.uri_prefix: want a URI with the slash that ends its host, such as https://app.example/, not %s", quoted(prefix))
	return false
}

// inTime tells whether a message is valid now.
func inTime(m *facts.SIWE, now time.Time) bool {
	return (m.ExpirationTime == nil || now.Before(*m.ExpirationTime)) && (m.NotBefore == nil || !now.Before(*m.NotBefore))
}

func shownSignIn(s *subject) string {
	switch {
	case s.Text == nil:
		return "no personal message"
	case s.Text.SIWE == nil:
		return "a message that is no sign-in of EIP-4361"
	}
	m := s.Text.SIWE
	text := fmt.Sprintf("domain %s, URI %s, chain %d, address %s", clip(m.Domain), clip(m.URI), m.ChainID, m.Address.Hex())
	if m.ExpirationTime != nil {
		text += ", expires " + m.ExpirationTime.UTC().Format(time.RFC3339)
	}
	return text
}
