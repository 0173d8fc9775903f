package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// checkRolledBack finds out that the chain has lost what was final: by a reorganisation that
// was deeper than is waited for, or since it was started over, as chains for development
// are. Else an account would never come below what was final, and all that it sends would
// wait for ever. A node that lags, or is not in step yet, counts too few as well, so it must
// do so for many blocks, for some minutes, and not know what was final.
func (o *Outbox) checkRolledBack(ctx context.Context, l *lane, count uint64) {
	final, blocks, age := o.book.below(l, count, o.cfg.Clock())
	if blocks <= max(o.cfg.Confirmations, patienceReplaced) || age < patienceSettled {
		return
	}
	var syncing json.RawMessage
	if err := o.client.call(ctx, &syncing, "eth_syncing"); err == nil && len(syncing) > 0 && syncing[0] == '{' {
		return
	}
	lost, err := o.finalAt(ctx, l, count, final-1)
	if err != nil {
		o.log.ErrorContext(ctx, "Final transactions not looked for", "account", l.id.account, "error", err)
		return
	}
	known, err := o.knows(ctx, lost)
	if err != nil {
		return
	}
	for i := range lost {
		if known[i] {
			o.book.above(l)
			return
		}
	}
	o.book.rollBack(l, count)
	attrs := []slog.Attr{slog.String("chain", l.id.chain), slog.Any("account", l.id.account), slog.Uint64("counted", count), slog.Uint64("final", final)}
	if len(lost) > 0 {
		attrs = append(attrs, slog.Any("lost", lost[0].hash))
	}
	o.log.LogAttrs(ctx, slog.LevelWarn, "The chain has lost final transactions of the account: what is sent next has their nonces, and they are not sent again. "+
		"Where this was a reorganisation, raise proxy.confirmations, and look at what was paid; a chain that was started over needs a new state", attrs...)
}

// finalAt returns the final transactions of some nonces that are still in the records.
func (o *Outbox) finalAt(ctx context.Context, l *lane, nonces ...uint64) (found []refusedTx, err error) {
	for _, nonce := range nonces {
		prefix := fmt.Sprintf("%s%s/%020d/", prefixTransactions, l.id.path(), nonce)
		err := o.cfg.Records.EachRecord(ctx, prefix, func(key string, value []byte) error {
			r, err := decodeRecord(key, value)
			if err == nil && r.State == StateFinal {
				found = append(found, refusedTx{key: key, nonce: nonce, hash: r.Hash})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// below notes that the node counts fewer transactions of a lane than are final, if it does.
// It returns how many those are, and at how many blocks in a row and for how long it has.
func (b *book) below(l *lane, count uint64, now time.Time) (final, blocks uint64, age time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if count >= l.final {
		l.below = 0
		return l.final, 0, 0
	}
	if l.below++; l.below == 1 || now.Before(l.belowSince) {
		l.belowSince = now
	}
	return l.final, l.below, now.Sub(l.belowSince)
}

// above notes that a node which counts fewer transactions than are final knows them.
func (b *book) above(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.below = 0
}

// rollBack notes that nothing of a lane is final from a nonce on.
func (b *book) rollBack(l *lane, count uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.below, l.final, l.used = 0, count, count
}
