package policy

import (
	"slices"
	"sync"
)

// words are all that may stand in a match, besides any and inner.
func words() []word {
	return slices.Concat(requestWords(), transactionWords(), actionWords(), effectWords(), typedWords(), textWords())
}

// wordTable finds words by their keys.
var wordTable = sync.OnceValue(func() map[string]word {
	table := make(map[string]word)
	for _, w := range words() {
		table[w.key] = w
	}
	return table
})

// wordKeys are the keys of the words, for suggestions.
func wordKeys(within bool) []string {
	keys := []string{wordInner}
	if !within {
		keys = append(keys, wordAny)
	}
	for _, w := range words() {
		if !within || w.level != aboutRequest {
			keys = append(keys, w.key)
		}
	}
	return keys
}
