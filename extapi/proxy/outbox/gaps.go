package outbox

import "context"

// findGaps looks for lanes in which transactions wait for a nonce that nothing of
// ours has, and that the node does not know of either. Filling such a gap is a spend
// of its own, which an operator decides about.
func (o *Outbox) findGaps(ctx context.Context, entries []entry, counts map[*lane]uint64) {
	seen := make(map[*lane]bool)
	for i := range entries {
		l := entries[i].lane
		count, counted := counts[l]
		if seen[l] || !counted {
			continue
		}
		seen[l] = true
		nonce, gap := o.book.hole(l, count)
		if gap {
			pending, err := o.pending(ctx, l.chain(), l.id.account)
			if err != nil {
				continue
			}
			gap = pending <= nonce // else others of the account fill it
		}
		var missing *uint64
		if gap {
			missing = &nonce
		}
		if o.book.setMissing(l, missing) && gap {
			o.log.WarnContext(ctx, "Transactions wait for a nonce that nothing has", "chain", l.id.chain, "account", l.id.account, "nonce", nonce)
		}
	}
}
