package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// defaultLimit and mostListed bound a listing.
const (
	defaultLimit = 1_000
	mostListed   = 10_000
)

// List returns the transactions that a filter chooses, the newest if there are more
// than its limit, without their bytes, and the lanes of their accounts.
func (o *Outbox) List(ctx context.Context, filter Filter) (*Listing, error) {
	listing, err := o.list(ctx, filter)
	return listing, o.told(ctx, err)
}

func (o *Outbox) list(ctx context.Context, filter Filter) (*Listing, error) {
	listing, err := collect(ctx, o.cfg.Records, filter, o.shown)
	if err != nil {
		return nil, err
	}
	listing.Lanes = o.lanes(filter)
	return listing, nil
}

// collect reads the transactions that a filter chooses, as shown shows them. It
// shows every record of the filter's accounts, and leaves the lanes to its caller.
func collect(ctx context.Context, records Reader, filter Filter, shown func(*record) Transaction) (*Listing, error) {
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, mostListed)
	found, more := []Transaction{}, false
	err := records.EachRecord(ctx, filter.prefix(), func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		if err != nil {
			return err
		}
		if tx := shown(r); filter.chooses(tx) {
			found = append(found, tx)
		}
		if len(found) >= 2*limit {
			found, more = newest(found, limit), true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading transactions: %w", err)
	}
	if len(found) > limit {
		found, more = newest(found, limit), true
	}
	slices.SortFunc(found, func(x, y Transaction) int {
		return cmp.Or(x.Chain.Cmp(y.Chain), x.Account.Cmp(y.Account), cmp.Compare(x.Nonce, y.Nonce), x.Kept.Compare(y.Kept))
	})
	return &Listing{Transactions: found, Lanes: []Lane{}, More: more}, nil
}

// Show returns one transaction with its bytes, if they are still kept.
func (o *Outbox) Show(ctx context.Context, hash common.Hash) (*Transaction, error) {
	r, err := o.recordOf(ctx, hash)
	if err != nil {
		return nil, o.told(ctx, err)
	}
	shown := o.shown(r)
	shown.Raw = r.Bytes
	return &shown, nil
}

// recordOf finds the record of a transaction.
func (o *Outbox) recordOf(ctx context.Context, hash common.Hash) (*record, error) {
	if e, ok := o.book.find(hash); ok {
		value, err := o.cfg.Records.Record(ctx, e.key)
		if err != nil {
			return nil, fmt.Errorf("reading a transaction: %w", err)
		}
		if value != nil {
			return decodeRecord(e.key, value)
		}
	}
	return search(ctx, o.cfg.Records, hash)
}

// search looks for the record of a transaction among all.
func search(ctx context.Context, records Reader, hash common.Hash) (*record, error) {
	var found *record
	end := fmt.Sprintf("/%#x", hash)
	err := records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) (err error) {
		if strings.HasSuffix(key, end) {
			if found, err = decodeRecord(key, value); err == nil {
				err = errEnough
			}
		}
		return err
	})
	switch {
	case found != nil && errors.Is(err, errEnough):
		return found, nil
	case err != nil:
		return nil, fmt.Errorf("reading transactions: %w", err)
	default:
		return nil, refuse("transaction %v is not known here", hash)
	}
}

// shown returns what is known of a transaction, in its record and since.
func (o *Outbox) shown(r *record) Transaction {
	shown := r.Transaction
	if e, ok := o.book.find(r.Hash); ok && e.state.InFlight() && shown.State.InFlight() {
		shown.State, shown.Refusal = e.state, e.refusal
	}
	return shown
}

// InFlight returns how many transactions are under way.
func (o *Outbox) InFlight() int {
	n := 0
	for _, lane := range o.lanes(Filter{}) {
		n += lane.InFlight
	}
	return n
}

// lanes returns the lanes that a filter chooses. It takes no lane's turn, so that
// one on which something hangs is shown too: the next nonce is what is recorded.
func (o *Outbox) lanes(filter Filter) []Lane {
	lanes := []Lane{}
	for _, l := range o.book.all() {
		if filter.covers(l.chain(), l.id.account) {
			lanes = append(lanes, o.book.lay(l))
		}
	}
	return lanes
}

// lay returns what is known of a lane.
func (b *book) lay(l *lane) Lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Lane{Chain: l.chain(), Account: l.id.account, Next: l.told.Load(), InFlight: l.inFlight, Missing: l.missing}
}

// prefix is what the keys of all chosen records begin with.
func (f *Filter) prefix() string {
	switch {
	case f.Chain == nil:
		return prefixTransactions
	case f.Account == nil:
		return prefixTransactions + f.Chain.String() + "/"
	default:
		return prefixTransactions + laneID{f.Chain.String(), *f.Account}.path() + "/"
	}
}

// covers reports whether a lane is to be listed.
func (f *Filter) covers(chain *big.Int, account common.Address) bool {
	return (f.Chain == nil || f.Chain.Cmp(chain) == 0) && (f.Account == nil || *f.Account == account)
}

// chooses reports whether a transaction is to be listed.
func (f *Filter) chooses(tx Transaction) bool {
	return (!f.InFlight || tx.State.InFlight()) && (f.Account == nil || *f.Account == tx.Account)
}

// newest returns so many transactions, those that were kept last.
func newest(found []Transaction, limit int) []Transaction {
	slices.SortFunc(found, func(x, y Transaction) int { return y.Kept.Compare(x.Kept) })
	return slices.Clone(found[:limit])
}
