package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// Logged is the use of an idempotency key for which something was signed or may have been,
// as an audit log tells it.
type Logged struct {
	Key     string // of the key's record, in the whole store
	Request string // SHA-256 of what was asked, hexadecimal
	ID      string // of the request in the audit log
	Time    time.Time
}

// UseLogged makes idempotency keys used that an audit log knows and the records don't, since
// they are those of an older copy: a retry would pay a second time. What was signed for a key
// the log does not have, nor what became of it, so that a retry is sent there to look. Keys
// that the records know stay as they are. It returns how many those are that they did not.
func UseLogged(ctx context.Context, records rules.Records, all []Logged) (used int, err error) {
	seen := make(map[string]bool)
	for some := range slices.Chunk(all, removedAtOnce) {
		var changes []rules.Change
		for _, l := range some {
			if seen[l.Key] {
				continue
			}
			seen[l.Key] = true
			if !strings.Contains("/"+l.Key, "/"+prefixKeys) {
				return used, fmt.Errorf("the audit log has %.100q for the idempotency key of request %.100q: it is no key's record", l.Key, l.ID)
			}
			switch known, err := records.Record(ctx, l.Key); {
			case err != nil:
				return used, err
			case known != nil:
				continue
			}
			value, err := json.Marshal(claimRecord{Version: recordVersion, State: claimLogged, Request: l.Request, Time: l.Time.UTC(), Logged: l.ID})
			if err != nil {
				return used, fmt.Errorf("encoding an idempotency key: %w", err)
			}
			changes = append(changes, rules.Change{Key: l.Key, New: value})
		}
		if len(changes) == 0 {
			continue
		}
		if err := records.ChangeRecords(ctx, changes...); err != nil {
			return used, fmt.Errorf("recording idempotency keys: %w", err)
		}
		used += len(changes)
	}
	return used, nil
}

// logged answers for a key of which the audit log alone knows.
func (c *claim) logged() (common.Hash, error) {
	return common.Hash{}, refuse("this idempotency key was used at %s by request %s, of which the audit log alone knows what was signed, since the signer's state was put back from a copy: "+
		"look at it with kvclef audit show %[2]s, and at the account on the chain, before you send it anew with a new key", c.Time.Format(time.RFC3339), c.Logged)
}
