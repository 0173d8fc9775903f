package audit

import (
	"fmt"
	"strings"
)

// Idempotency is the idempotency key that a request came with. A state that was put back
// from a copy learns from it that the key was used: it is never cut.
type Idempotency struct {
	Key     string `json:"key"`     // of its record in the state; it ends with the SHA-256 of the caller's name and the key
	Request string `json:"request"` // SHA-256 of what was asked, hexadecimal
}

// MaxIdempotency bounds each text of an idempotency key, in bytes of printable ASCII.
const MaxIdempotency = 256

// check refuses a key that would not be read back as it is.
func (i *Idempotency) check() error {
	if i == nil {
		return nil
	}
	for _, text := range []string{i.Key, i.Request} {
		if text == "" || len(text) > MaxIdempotency || strings.ContainsFunc(text, unprintable) {
			return fmt.Errorf("an audit entry has an idempotency key with the text %.100q of %d bytes: want printable ASCII, and 1 to %d", text, len(text), MaxIdempotency)
		}
	}
	return nil
}
