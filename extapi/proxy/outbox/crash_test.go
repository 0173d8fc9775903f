package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

var errCrash = errors.New("the process is gone")

// mortal are records of a process that ends at a change, before or after it is made.
type mortal struct {
	rules.Records
	mu    sync.Mutex
	lives int  // changes that are made before the end; negative: no end
	made  bool // the last one is made too
	dead  bool
	but   string // the prefix of what can be read all the same
}

func (m *mortal) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCrash
	}
	if m.lives == 0 {
		m.dead = true
		if m.made {
			if err := m.Records.ChangeRecords(ctx, changes...); err != nil {
				return err
			}
		}
		return errCrash
	}
	m.lives--
	return m.Records.ChangeRecords(ctx, changes...)
}

func (m *mortal) Record(ctx context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead && (m.but == "" || !strings.HasPrefix(key, m.but)) {
		return nil, errCrash
	}
	return m.Records.Record(ctx, key)
}

// TestCrash: wherever the process ends, a retry with the same key pays at most once,
// whoever was told a hash is paid, and there is no gap.
func TestCrash(t *testing.T) {
	for lives := range 6 {
		for _, made := range []bool{false, true} {
			for _, answer := range []string{"accepted", "refused", "lost", "reset"} {
				t.Run(fmt.Sprintf("%d %v %s", lives, made, answer), func(t *testing.T) {
					crash(t, lives, made, answer)
				})
			}
		}
	}
}

func crash(t *testing.T, lives int, made bool, answer string) {
	t.Helper()
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "before")
	process := &mortal{Records: w.records, lives: lives, made: made}
	cfg := w.cfg
	cfg.Records = process
	var err error
	if w.Outbox, err = New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	switch answer {
	case "refused":
		w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	case "lost":
		w.node.failOnce("eth_sendRawTransaction", false, errReset)
	case "reset":
		w.node.failOnce("eth_sendRawTransaction", true, errReset)
	}
	told, failed := w.Send(t.Context(), w.transfer(t, 2), "k")
	if process.dead {
		failed = errCrash // whatever it would have answered, nobody heard it
	}
	w.restart(t) // on the records that are left
	w.node.set(func(n *fakeNode) { n.fault = nil })
	again, retried := w.Send(t.Context(), w.transfer(t, 2), "k")
	if failed == nil && retried == nil && again != told {
		t.Error("the retry has another hash")
	}
	w.mustSend(t, w.transfer(t, 4), "")
	for range 3 {
		w.step(t.Context())
		w.block(t)
	}
	if w.node.pooled() != 0 {
		t.Error("there is a gap")
	}
	paid := make(map[int64]int)
	hashes := make(map[common.Hash]bool)
	for _, tx := range w.node.minedOf(t, w.vault.address(0)) {
		paid[tx.Value().Int64()]++
		hashes[tx.Hash()] = true
	}
	if paid[2] > 1 || failed == nil && !hashes[told] || retried == nil && !hashes[again] || paid[1] != 1 || paid[4] != 1 {
		t.Errorf("paid is %v; told %v, %v, then %v, %v", paid, told, failed, again, retried)
	}
}
