package policy

import (
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// Bounds of texts that are no digests.
const (
	digestBytes = 32
	tellingText = 12 // bytes of a prefix: nobody finds a digest that begins with so many
)

// digests warns of allow rules that sign what only looks like a message. A Safe,
// and other contracts, take a signature of the 32 bytes of a digest as a personal
// message for one of what the digest stands for. That they can be printed does
// not help: enough attempts give a digest of letters alone.
func (l *linter) digests(rule *Rule, possible []string) {
	m := &rule.Match
	narrow, _ := m.find("text").(*textPredicate)
	if slices.Contains(possible, facts.KindText) && !m.has("siwe") && (narrow == nil || narrow.digests) {
		l.warn(rule, signsDigests, m.lineOf("text", "kind"), "may sign 32 bytes that are another contract's digest, such as the hash of a Safe transaction:"+
			" add siwe, or text with exact or with a prefix of %d bytes or more", tellingText)
	}
	if slices.Contains(possible, facts.KindValidator) {
		l.warn(rule, signsValidator, m.lineOf("kind"), "may sign data of which a contract alone knows what it is (EIP-191, version 0), and no word narrows it: leave the kind %s out", facts.KindValidator)
	}
}

// lineOf is the line of the first of some words, 0 if there is none.
func (m *Match) lineOf(keys ...string) int {
	for _, key := range keys {
		if line := m.Lines[key]; line > 0 {
			return line
		}
	}
	return 0
}
