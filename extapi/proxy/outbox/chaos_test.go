package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

var errDisk = errors.New("the disk says nothing")

// flaky are records that fail now and then, before or after they are changed, and can't
// be read for a while.
type flaky struct {
	rules.Records
	writes, reads int // calls that succeed before the next that fails; negative: all
	made          bool
	unread        int // readings that fail after a write did
}

func (f *flaky) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if f.writes--; f.writes != -1 {
		f.writes = max(f.writes, -2)
		return f.Records.ChangeRecords(ctx, changes...)
	}
	f.reads = 0
	if f.made {
		if err := f.Records.ChangeRecords(ctx, changes...); err != nil {
			return err
		}
	}
	return errDisk
}

func (f *flaky) Record(ctx context.Context, key string) ([]byte, error) {
	if f.reads == 0 && f.unread > 0 {
		f.unread--
		return nil, errDisk
	}
	return f.Records.Record(ctx, key)
}

// TestChaos: with records that fail in every way, others that send with the same key,
// given nonces, cancellations and a node that counts wrongly, nobody pays twice, who was
// told a hash is mined or replaced by one that is listed, who was told an error does not
// pay, and every lane goes on.
func TestChaos(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		records := &flaky{writes: -2}
		beyond := uint64(0)
		w := newWorld(t, func(w *world) {
			records.Records = w.records
			w.records = records
			w.cfg.Node = countsBeyond{batchNode{w.node}, &beyond}
		})
		type paid struct {
			hash   common.Hash
			key    string
			failed bool // told an error that says that nothing is under way
			doubt  bool
		}
		payments := make(map[int]*paid)
		pay := func(value int, key string, partial *extapi.PartialTransaction) {
			p := payments[value]
			if p == nil {
				p = &paid{key: key}
				payments[value] = p
			}
			hash, err := w.Send(t.Context(), partial, key)
			switch {
			case err == nil && p.hash != (common.Hash{}) && p.hash != hash && !w.raised(t, p.hash, hash):
				r.Fatalf("payment %d had %v, and now %v", value, p.hash, hash)
			case err == nil:
				p.hash, p.failed, p.doubt = hash, false, false
			case p.hash != (common.Hash{}):
			case strings.HasPrefix(err.Error(), "it is not known") || strings.HasPrefix(err.Error(), "an earlier request"):
				p.failed, p.doubt = true, true
			default:
				p.failed = true
			}
		}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"pay", "pay", "key", "key", "retry", "given", "given far", "write", "written", "unread", "refuse", "reset", "lose", "low", "late", "scatter", "mine", "step", "later", "other",
			"restart", "pool", "reorg", "lag", "bump", "cancel", "count", "back", "forward", "hangup",
		}), 1, 50).Draw(r, "steps")
		gaps := false
		for i, step := range steps {
			value := 1000 + i
			switch step {
			case "pay":
				pay(value, "", w.transfer(t, value))
			case "key":
				pay(value, fmt.Sprint(i), w.transfer(t, value))
			case "retry":
				for _, value := range slices.Sorted(maps.Keys(payments)) {
					p := payments[value]
					if p.key != "" {
						pay(value, p.key, w.transfer(t, value))
					}
				}
			case "given", "given far":
				n := w.book.lane(laneID{"1337", w.vault.address(0)}).next
				if gaps = true; step == "given far" { // the lane may go back before the other is sent
					n += 2
				}
				pay(value, "", w.tx(t, `{"to":"%v","value":"%#x","nonce":"%#x"}`, w.vault.address(1), value, n))
			case "write", "written", "unread":
				records.writes, records.made, records.reads, records.unread = i%3, step != "write", -1, 0
				if step == "unread" {
					records.unread, records.made = 1+i%3, i%2 == 0
				}
			case "other":
				gaps = true
				other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
				_, _ = other.Send(t.Context(), other.transfer(t, 1), "")
			case "step":
				w.step(t.Context())
			case "later":
				w.clock.move(time.Minute)
				w.step(t.Context())
			case "restart":
				records.writes, records.unread = -2, 0
				w.restart(t)
			case "count":
				gaps = true
				beyond = uint64(3 * (i % 2) * (1 + i%5))
			case "back":
				w.clock.move(-time.Hour)
			case "forward":
				w.clock.move(time.Hour)
			case "hangup":
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, _ = w.Send(ctx, w.transfer(t, 7), "")
			case "bump", "cancel":
				for _, value := range slices.Sorted(maps.Keys(payments)) {
					p := payments[value]
					if p.hash != (common.Hash{}) && value%2 == i%2 {
						if step == "bump" {
							_, _ = w.Bump(t.Context(), p.hash, 0)
						} else {
							_, _ = w.Cancel(t.Context(), p.hash)
						}
						break
					}
				}
			default:
				w.node.do(t, step)
			}
		}
		beyond, records.writes, records.unread = 0, -2, 0
		settle(t, w)
		for i := 0; gaps && i < 80; i++ { // those that wait for a nonce are mined at last
			if inFlight, _ := w.book.load(); inFlight == 0 {
				break
			}
			if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err != nil {
				r.Fatal(err)
			}
			w.block(t)
			w.clock.move(time.Minute)
		}
		times := make(map[int64]int)
		for i, tx := range w.node.minedOf(t, w.vault.address(0)) {
			if tx.Nonce() != uint64(i) {
				r.Fatalf("nonce %d is the %d. of its account", tx.Nonce(), i)
			}
			times[tx.Value().Int64()]++
		}
		for value, p := range payments {
			n := times[int64(value)]
			switch {
			case n > 1:
				r.Fatalf("payment %d was made %d times", value, n)
			case p.hash != (common.Hash{}) && n == 0:
				tx, err := w.Show(t.Context(), p.hash)
				if err != nil || tx.State.InFlight() {
					r.Fatalf("payment %d was told %v, is %+v, %v", value, p.hash, tx, err)
				}
			case p.hash == (common.Hash{}) && !p.doubt && n == 1:
				r.Fatalf("payment %d failed, and was made", value)
			}
		}
		w.mustSend(t, w.transfer(t, 3), "")
	})
}
