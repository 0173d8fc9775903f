package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Quorum is how many of which people must approve. It is never changed once a
// decision has it.
type Quorum struct {
	Group     string   // its name, in the policy or the configuration
	Threshold int      // how many must approve, from 1
	Of        []string // the names of those who may
	Requester bool     // whether who asks may also approve

	Expires time.Duration // from the first request until it is refused
	Wait    time.Duration // until the caller is told to come back
}

// Has reports whether a person is one of those who may approve.
func (q *Quorum) Has(person string) bool { return slices.Contains(q.Of, person) }

// Same reports whether two quorums approve in the same way, however long it takes; two
// that are nil do.
func (q *Quorum) Same(other *Quorum) bool {
	if q == nil || other == nil {
		return q == other
	}
	return q.Group == other.Group && q.Threshold == other.Threshold && q.Requester == other.Requester && slices.Equal(q.Of, other.Of)
}

// String says who must approve, such as "2 of finance".
func (q *Quorum) String() string { return fmt.Sprintf("%d of %s", q.Threshold, q.Group) }

// Quorums says who must approve, such as "2 of finance and 1 of board".
func Quorums(all []*Quorum) string {
	texts := make([]string, len(all))
	for i, q := range all {
		texts[i] = q.String()
	}
	return strings.Join(texts, " and ")
}
