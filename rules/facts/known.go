package facts

import (
	"maps"
	"slices"
	"sync"
)

// Methods returns the names of the methods whose meaning is known, in order:
// those that [Action.Name] may have.
func Methods() []string { return slices.Clone(methodNames()) }

// NameOf returns the name of a method whose meaning is known, by its selector; ""
// for any other.
func NameOf(selector [4]byte) string {
	if m, ok := methods()[selector]; ok {
		return m.RawName
	}
	return ""
}

var methodNames = sync.OnceValue(func() []string {
	// What typed data does has the name of the call that it stands for.
	names := map[string]bool{"permit": true, "transferWithAuthorization": true, "receiveWithAuthorization": true}
	for _, m := range methods() {
		names[m.RawName] = true
	}
	return slices.Sorted(maps.Keys(names))
})
