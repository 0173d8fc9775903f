package extapi

import (
	"strings"
	"sync"
)

// maxCompound is how many different compound signatures callers may bring in
// the life of the process. One of at most calldata.MaxNesting levels keeps up to 100 kB.
const maxCompound = 256

// compoundSignatures remembers which signatures with arrays or tuples callers
// have supplied. The ABI decoder makes a Go type for each array and tuple, and
// Go never frees a type: without a bound, callers could fill the memory before
// any rule is asked.
type compoundSignatures struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

// admit reports whether a signature was seen before or is among the first.
func (c *compoundSignatures) admit(signature string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[signature]; known {
		return true
	}
	if len(c.seen) >= maxCompound {
		return false
	}
	if c.seen == nil {
		c.seen = make(map[string]struct{})
	}
	c.seen[strings.Clone(signature)] = struct{}{}
	return true
}

// admits reports whether a caller's signature may be decoded with. Signatures
// of plain types, and those that the selectors know, always may.
func (v *Validator) admits(signature string, id [4]byte) bool {
	_, parameters, _ := strings.Cut(signature, "(")
	if !strings.ContainsAny(parameters, "([") {
		return true
	}
	if known, err := v.selectors.find(id); err == nil && known == signature {
		return true
	}
	return v.compound.admit(signature)
}
