package policy

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// payloadWords are about the blocks of a sequencer, of which a signer sees no
// more than a hash.
func payloadWords() []word {
	return []word{{
		key: "payload_domain", doc: "the domain of a block payload: 0x and 64 digits, all of them 0 for the blocks of the OP stack",
		shape: oneOrMore(patternShape("^0x[0-9a-fA-F]{64}$")),
		parse: func(p *parser, node *yaml.Node) predicate {
			domains := make(map[common.Hash]bool)
			texts, ok := p.distinct(node, "payload_domain", func(element *yaml.Node, _ string) bool {
				raw, good := p.bytes(element, "payload_domain", common.HashLength)
				domains[common.BytesToHash(raw)] = true
				return good
			})
			if !ok {
				return nil
			}
			for i := range texts {
				texts[i] = strings.ToLower(texts[i])
			}
			return &atom{
				word: "payload_domain", wants: oneOf(texts...), holds: reach{texts: texts},
				ask: func(s *subject) truth { return is(s.Kind == facts.KindPayload && domains[s.Request.Payload.Domain]) },
				shows: func(s *subject) string {
					if s.Kind != facts.KindPayload {
						return "no block payload"
					}
					return common.Hash(s.Request.Payload.Domain).Hex()
				},
			}
		},
	}}
}
