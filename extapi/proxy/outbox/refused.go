package outbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// Bounds of the refused transactions that a lane remembers. To ask for all of them takes six
// batches.
const (
	maxRefused = 256
	askedFirst = 16 // they are asked for however long it takes
)

// refusedTx is a transaction that the node refused. Its sender was told so.
type refusedTx struct {
	nonce uint64
	hash  common.Hash
	claim string // the record of its idempotency key

	principal string // its sender
	untold    bool   // it is under way after all, and its sender was not told

	since time.Time // when it was refused
	asked time.Time // when a node was asked for it last
	used  time.Time // since when its nonce is known to be used, and it is not known itself
	other bool      // a block, or what is final here, shows another transaction with its nonce
	again time.Time // before which its block is not looked for
}

func refusedOf(r *record) refusedTx {
	return refusedTx{nonce: r.Nonce, hash: r.Hash, claim: r.Claim, principal: r.Principal, untold: r.Untold, since: r.Changed}
}

// remember remembers a refused transaction, until its nonce is another one's for certain.
func (l *lane) remember(r refusedTx) { l.refused = withRefused(l.refused, r) }

// withRefused adds a transaction to refused ones. Where they are too many the oldest is forgotten
// whose nonce others have, and whose sender is not to be told of it: once a block has used the nonce, that tells which of all it was,
// and of those that are forgotten the records know, while one is remembered.
func withRefused(all []refusedTx, r refusedTx) []refusedTx {
	all = slices.DeleteFunc(all, func(of refusedTx) bool { return of.hash == r.hash })
	if len(all) >= maxRefused {
		with := map[uint64]int{r.nonce: 1}
		for _, of := range all {
			with[of.nonce]++
		}
		spare := slices.IndexFunc(all, func(of refusedTx) bool { return with[of.nonce] > 1 && !of.untold })
		if spare < 0 {
			spare = max(0, slices.IndexFunc(all, func(of refusedTx) bool { return !of.untold }))
		}
		all = slices.Delete(all, spare, spare+1)
	}
	return append(all, r)
}

// olderRefused are refused transactions as the records have them, by their keys.
type olderRefused map[*lane][]refusedTx

// add adds one, and leaves out the oldest if there are by far too many.
func (o olderRefused) add(l *lane, r refusedTx) {
	if o[l] = append(o[l], r); len(o[l]) >= 8*maxRefused {
		o[l] = newestRefused(o[l])
	}
}

// remember has their lanes remember the last ones. What is final here leaves room to others.
func (o olderRefused) remember(b *book) {
	for l, all := range o {
		all = newestRefused(all)
		slices.SortStableFunc(all, func(x, y refusedTx) int {
			switch final := b.isFinal(l, x.nonce); {
			case final == b.isFinal(l, y.nonce):
				return 0
			case final:
				return -1
			default:
				return 1
			}
		})
		for i, r := range all {
			if len(all)-i > maxRefused && b.isFinal(l, r.nonce) {
				continue
			}
			l.remember(r)
		}
	}
}

// newestRefused returns the last ones of several, in order.
func newestRefused(all []refusedTx) []refusedTx {
	slices.SortFunc(all, func(x, y refusedTx) int { return cmp.Or(x.since.Compare(y.since), x.hash.Cmp(y.hash)) })
	return all[max(0, len(all)-4*maxRefused):]
}

// knowsRefused asks the node which transactions it knows whose nonces it counts. Where they
// are many the older ones are asked for within a time, since the account's other transactions
// wait, and those whose nonce a block has used now and then.
func (o *Outbox) knowsRefused(ctx context.Context, refused []refusedTx, seen standing) ([]bool, error) {
	now := o.cfg.Clock()
	var asked []int
	for i, r := range slices.Backward(refused) {
		age := now.Sub(r.asked)
		if many := len(refused) > askedFirst; !many || r.nonce >= seen.mined || age < 0 || age >= againUntold {
			asked = append(asked, i)
		}
	}
	known := make([]bool, len(refused))
	ask := func(ctx context.Context, some []int) error {
		of := make([]refusedTx, len(some))
		for j, i := range some {
			of[j] = refused[i]
		}
		found, err := o.knows(ctx, of)
		for j, i := range some {
			known[i], refused[i].asked = found[j], of[j].asked
		}
		return err
	}
	first := min(len(asked), askedFirst)
	slices.SortStableFunc(asked[first:], func(i, j int) int { return refused[i].asked.Compare(refused[j].asked) }) // each has its turn
	if err := ask(ctx, asked[:first]); err != nil || first == len(asked) {
		return known, err
	}
	within, cancel := context.WithTimeoutCause(ctx, judgedFor, context.Canceled)
	defer cancel()
	if err := ask(within, asked[first:]); err != nil && (within.Err() == nil || ctx.Err() != nil) {
		return known, err
	}
	return known, nil
}

// knows asks the node which transactions it knows, and notes when it answered. One of which
// it can't tell it does not: no account is to wait for that. After an error some may be known
// all the same.
func (o *Outbox) knows(ctx context.Context, refused []refusedTx) ([]bool, error) {
	found := make([]*struct {
		Hash common.Hash `json:"hash"`
	}, len(refused))
	calls := make([]rpc.BatchElem, len(refused))
	for i, r := range refused {
		calls[i] = rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{r.hash}, Result: &found[i]}
	}
	o.client.batch(ctx, calls)
	known := make([]bool, len(refused))
	var failed error
	for i, r := range refused {
		var fault *faultError
		if errors.As(calls[i].Error, &fault) {
			failed = fault
			continue
		}
		known[i], refused[i].asked = found[i] != nil && found[i].Hash == r.hash, o.cfg.Clock()
	}
	return known, failed
}

// How long the block that used the nonce of a refused transaction is not looked for again.
const (
	againUntold = time.Minute     // where the node can't tell
	againDeep   = patienceSettled // where it is too old
)

// findIn looks in the latest blocks for refused transactions that the node does not know, and
// whose nonces it counts as used: where several nodes answer, one null is no proof that it is
// another one's. It returns those, too, that are not remembered.
func (o *Outbox) findIn(ctx context.Context, l *lane, refused []refusedTx, known []bool, seen standing) (forgotten []refusedTx, err error) {
	// The account's other transactions wait. That the time is over says nothing of the node.
	within, cancel := context.WithTimeoutCause(ctx, judgedFor, context.Canceled)
	defer cancel()
	users := seen.users
	if users == nil {
		users = make(map[uint64]common.Hash)
	}
	order := make([]int, len(refused)) // the latest nonces first: where one is too old, all below are
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(refused[j].nonce, refused[i].nonce) })
	looked := make(map[common.Hash]bool)
	for _, i := range order {
		r := &refused[i]
		by, asked := users[r.nonce]
		switch {
		case known[i], r.other, !asked && r.nonce >= seen.mined:
			continue
		case !asked:
			var unfound error
			by, unfound = o.findUser(within, l, r)
			users[r.nonce] = by
			putOff(refused, r.nonce, unfound, o.cfg.Clock())
		}
		known[i], r.other = r.hash == by, by != common.Hash{} && r.hash != by
		if !r.other || looked[by] || slices.ContainsFunc(refused, func(of refusedTx) bool { return of.hash == by }) {
			continue
		}
		looked[by] = true
		of, err := o.forgotten(ctx, l, r.nonce, by)
		if err != nil {
			return nil, err
		}
		forgotten = append(forgotten, of...)
	}
	return forgotten, nil
}

// forgotten returns a transaction if the node refused it, as its record tells.
func (o *Outbox) forgotten(ctx context.Context, l *lane, nonce uint64, hash common.Hash) ([]refusedTx, error) {
	r, err := o.read(ctx, l.id.transaction(nonce, hash))
	if err != nil || r == nil || r.State != StateRejected {
		return nil, err
	}
	return []refusedTx{refusedOf(r)}, nil
}

// findUser returns the transaction that used the nonce of a refused one: zero if it is not
// found, with why if it was looked for.
func (o *Outbox) findUser(ctx context.Context, l *lane, r *refusedTx) (common.Hash, error) {
	if by, found := o.book.minedAt(l, r.nonce); found {
		return by, nil
	}
	if wait := r.again.Sub(o.cfg.Clock()); wait > 0 && wait <= againDeep {
		return common.Hash{}, nil
	}
	if err := ctx.Err(); err != nil {
		return common.Hash{}, err
	}
	if o.book.isFinal(l, r.nonce) { // else the chain has lost it
		if final, err := o.finalAt(ctx, l, r.nonce); err == nil && len(final) > 0 {
			return final[0].Hash, nil
		}
	}
	return o.userOf(ctx, l, r.nonce)
}

// putOff notes that the block which used a nonce was not found, and why, so that it is not
// looked for again for a while. Those that used lower nonces are older still.
func putOff(refused []refusedTx, nonce uint64, why error, now time.Time) {
	var said *nodeError
	lower, again := true, now.Add(againUntold)
	switch {
	case errors.Is(why, errDeep):
		again = now.Add(againDeep)
	case errors.Is(why, errNotShown):
		lower = false
	case !errors.As(why, &said):
		return
	}
	for i := range refused {
		if r := &refused[i]; r.nonce == nonce || lower && r.nonce < nonce {
			r.again = again
		}
	}
}

// over reports whether a refused transaction need not be looked for any more: its nonce has
// been used for so long since a node was asked that did not know it, that it is another one's. Now is
// from before the node was asked this time.
func (r *refusedTx) over(now time.Time, seen standing) bool {
	switch {
	case r.nonce >= seen.mined || now.Before(r.used): // in a pool alone, or the clock went back
		r.used = time.Time{}
	case r.used.IsZero():
		if !r.asked.Before(now) {
			r.used = now
		}
	default:
		return now.Sub(r.used) >= patienceSettled
	}
	return false
}
