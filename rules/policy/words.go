package policy

import (
	"slices"
	"sync"

	"github.com/kvclef/kvclef/rules/facts"
)

// words are all that may stand in a match, besides any and inner, in the order
// of the reference.
func words() []word {
	return slices.Concat(
		requestWords(),
		of(transactionWords(), facts.KindTransaction),
		of(actionWords(), facts.KindTransaction, facts.KindSafe, facts.KindTypedData),
		of(effectWords(), facts.KindTransaction, facts.KindSafe, facts.KindTypedData),
		of(typedWords(), facts.KindTypedData, facts.KindSafe),
		of(textWords(), facts.KindText),
		of(payloadWords(), facts.KindPayload),
	)
}

// of gives words the kinds that they may hold for.
func of(words []word, kinds ...string) []word {
	for i := range words {
		if words[i].kinds == nil {
			words[i].kinds = kinds
		}
	}
	return words
}

// wordTable finds words by their keys.
var wordTable = sync.OnceValue(func() map[string]word {
	table := make(map[string]word)
	for _, w := range words() {
		table[w.key] = w
	}
	return table
})

// wordKeys are the keys that may stand in a match.
func wordKeys(within bool) []string {
	keys := []string{wordAny, wordInner}
	for _, w := range words() {
		if !within || w.level != aboutRequest {
			keys = append(keys, w.key)
		}
	}
	return keys
}
