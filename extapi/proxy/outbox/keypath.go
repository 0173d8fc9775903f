package outbox

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/kvclef/kvclef/extapi"
)

// keyPaths returns where an idempotency key of a caller is recorded. Callers with a name,
// by a certificate or a token, have keys of their own. All others share theirs, and what was
// shared before callers had names is looked at too: the retry of a request of that
// time must be known as one.
func (o *Outbox) keyPaths(principal, key string) (path string, shared []string) {
	record := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return prefixKeys + o.cfg.Scope + "/" + hex.EncodeToString(sum[:])
	}
	if principal == "" || principal == extapi.Anonymous {
		return record(key), nil
	}
	return record(principal + "\x00" + key), []string{record(key)} // no name has a zero byte
}
