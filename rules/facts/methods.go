package facts

import (
	"fmt"
	"sync"

	"github.com/kvclef/kvclef/rules/calldata"
)

// method is a method whose meaning is known.
type method struct {
	*calldata.Method
	effects func(a *Action, v values) []Effect
	inner   func(a *Action, v values) inner
}

// inner is what an action unpacks to.
type inner struct {
	actions []Action // with path, from, to, value, data and delegate
	opaque  string   // why others may be hidden
}

// methods are all that are known, by their selectors. They are parsed once, at
// the first call that is looked at.
var methods = sync.OnceValue(func() map[[4]byte]*method {
	table := make(map[[4]byte]*method)
	for _, known := range [][]definition{tokenMethods(), collectionMethods(), permit2Methods(), batchMethods(), walletMethods(), forwardMethods()} {
		for _, d := range known {
			parsed, err := calldata.Parse(d.signature)
			if err != nil {
				panic(fmt.Sprintf("a method of ours: %v", err)) // found by every test
			}
			table[parsed.Selector()] = &method{Method: parsed, effects: d.effects, inner: d.inner}
		}
	}
	return table
})

// definition is a line of the tables of methods.
type definition struct {
	signature string
	effects   func(a *Action, v values) []Effect // nil: none
	inner     func(a *Action, v values) inner    // nil: makes no calls that are of interest
}

// Prepare parses the methods, so that the first request does not wait for it.
func Prepare() { methods() }
