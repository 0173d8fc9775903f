package extapi

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kvclef/kvclef/rules/calldata"
)

// How many different compound signatures callers may bring in the life of the process,
// and one of them alone. One of at most calldata.MaxNesting levels keeps up to 100 kB.
const (
	maxCompound      = 512
	maxCompoundOfOne = 64
)

// compoundSignatures remembers which signatures with arrays or tuples callers
// have supplied. The ABI decoder makes a Go type for each array and tuple, and
// Go never frees a type: without a bound, callers could fill the memory before
// any rule is asked. Each has its own, so that one can't use up what others need.
type compoundSignatures struct {
	mu      sync.Mutex
	seen    map[string]struct{}
	brought map[string]int // how many of those each principal was the first with
}

// admit returns an error unless a signature was seen before, or there is room for it.
func (c *compoundSignatures) admit(principal, signature string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[signature]; known {
		return nil
	}
	switch {
	case c.brought[principal] >= maxCompoundOfOne:
		return fmt.Errorf("this caller has supplied %d different signatures with arrays or tuples since the start, and no more are taken: add this one to the file of custom selectors", maxCompoundOfOne)
	case len(c.seen) >= maxCompound:
		return fmt.Errorf("callers have supplied %d different signatures with arrays or tuples since the start, and no more are taken: add this one to the file of custom selectors", maxCompound)
	case c.seen == nil:
		c.seen, c.brought = make(map[string]struct{}), make(map[string]int)
	}
	c.seen[strings.Clone(signature)] = struct{}{}
	c.brought[strings.Clone(principal)]++
	return nil
}

// admits returns an error if a caller's signature may not be decoded with. Signatures
// of plain types, and those that the selectors know, always may, and one that is not that
// of the call data is not decoded with.
func (v *Validator) admits(principal, signature string, id [4]byte) error {
	_, parameters, _ := strings.Cut(signature, "(")
	if !strings.ContainsAny(parameters, "([") {
		return nil
	}
	if known, err := v.selectors.find(id); err == nil && slices.Contains(known, signature) {
		return nil
	}
	if own, err := calldata.Selector(signature); err == nil && own == id {
		return v.compound.admit(principal, signature)
	}
	return nil // decoding fails, before types are made
}
