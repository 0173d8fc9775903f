package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// payloads warns of allow rules that mean block payloads and leave their chain or
// domain open: there is nothing else by which one payload differs from another.
func (l *linter) payloads(rule *Rule, possible []string) {
	m := &rule.Match
	meant := len(possible) == 1 || slices.Contains(m.textsOf("kind"), facts.KindPayload)
	if meant && slices.Contains(possible, facts.KindPayload) && (!m.has("chain") || !m.has("payload_domain")) {
		l.warn(rule, anyPayload, m.lineOf("kind", "method"), "signs block payloads of any chain or domain, and nothing else tells them apart: add chain, and payload_domain, which is 0x and 64 zeros for the OP stack")
	}
}
