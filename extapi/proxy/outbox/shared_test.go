package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// lawless is a store that gives everybody every lock, as one would that has lost its
// holders out of sight.
type lawless struct{ rules.Shared }

func (lawless) Lock(context.Context, string) (func(), error) { return func() {}, nil }

// newReplicas starts outboxes on the same records and node.
func newReplicas(t testing.TB, n int, change func(*world)) []*world {
	t.Helper()
	records := memory.NewRecords()
	first := newWorld(t, func(w *world) {
		w.records, w.cfg.Records, w.cfg.Shared = records, records, records
		if change != nil {
			change(w)
		}
	})
	replicas := []*world{first}
	for range n - 1 {
		other := *first
		other.restart(t)
		replicas = append(replicas, &other)
	}
	return replicas
}

// mineAll makes blocks until no replica follows anything that is under way.
func mineAll(t testing.TB, replicas []*world) {
	t.Helper()
	for range 200 {
		replicas[0].clock.move(20 * time.Second)
		replicas[0].node.mine()
		under := 0
		for _, w := range replicas {
			w.step(t.Context())
			inFlight, _ := w.book.load()
			under += inFlight
		}
		if under == 0 {
			return
		}
	}
	t.Fatal("transactions stay under way")
}

// wantChain checks that all hashes are mined, and that nothing else is.
func wantChain(t testing.TB, w *world, hashes map[common.Hash]bool) {
	t.Helper()
	mined := 0
	w.node.set(func(n *fakeNode) {
		for _, block := range n.blocks {
			for _, tx := range block.txs {
				if mined++; !hashes[tx.Hash()] {
					t.Errorf("nobody was told that %v, nonce %d, is under way", tx.Hash(), tx.Nonce())
				}
			}
		}
	})
	if mined != len(hashes) {
		t.Errorf("%d are mined, and %d were told to be under way", mined, len(hashes))
	}
}

// race sends from all replicas at once, and returns what was told to be under way.
func race(t *testing.T, replicas []*world, sends int) map[common.Hash]bool {
	t.Helper()
	var (
		mu    sync.Mutex
		told  = make(map[common.Hash]bool)
		group sync.WaitGroup
	)
	for i := range sends {
		w := replicas[rand.IntN(len(replicas))]
		partial := w.transfer(t, i+1)
		group.Go(func() {
			hash, err := w.Send(t.Context(), partial, "")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Logf("%d: %v", i, err)
			case told[hash]:
				t.Errorf("%v was told twice", hash)
			default:
				told[hash] = true
			}
		})
	}
	group.Wait()
	return told
}

// TestReplicasShareALane: what several processes send from one account at once has
// nonces without a gap, and nothing is signed in vain.
func TestReplicasShareALane(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 4, nil)
	told := race(t, replicas, 64)
	if signed := replicas[0].vault.signatures(); len(told) != 64 || signed != 64 {
		t.Errorf("%d were sent, with %d signatures", len(told), signed)
	}
	mineAll(t, replicas)
	wantChain(t, replicas[0], told)
}

// TestReplicasWithoutLocks: where locks are lost, comparing the lane keeps two from
// sending with one nonce.
func TestReplicasWithoutLocks(t *testing.T) {
	t.Parallel()
	for range 5 {
		replicas := newReplicas(t, 4, func(w *world) { w.cfg.Shared = lawless{w.cfg.Shared} })
		told := race(t, replicas, 32)
		if len(told) == 0 {
			t.Error("nothing was sent at all")
		}
		mineAll(t, replicas)
		wantChain(t, replicas[0], told)
	}
}

// TestReplicasOnABadNode: answers get lost, and calls fail that were made.
func TestReplicasOnABadNode(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 3, nil)
	calls := 0
	replicas[0].node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if calls++; calls%3 == 0 && method == "eth_sendRawTransaction" {
				return calls%2 == 0, errReset
			}
			return false, nil
		}
	})
	told := race(t, replicas, 48)
	mineAll(t, replicas)
	wantChain(t, replicas[0], told)
}

// TestAReplicaDies after it kept a transaction and before its node had it: another one
// sends it.
func TestAReplicaDies(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, nil)
	died, lives := replicas[0], replicas[1]
	died.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, errReset
			}
			return false, nil
		}
	})
	hash := died.mustSend(t, died.transfer(t, 1), "key")
	lives.node.set(func(n *fakeNode) { n.fault = nil })
	lives.step(t.Context())
	if accepted := len(lives.node.accepted); accepted != 0 {
		t.Errorf("it was sent at once, while the other may be about to: %d", accepted)
	}
	lives.wantError(t, "key", "another request with this idempotency key is under way") // it may be about to sign it anew
	lives.clock.move(lives.Outbox.cfg.Patience + lives.judgedWithin())
	if again := lives.mustSend(t, lives.transfer(t, 1), "key"); again != hash {
		t.Errorf("the same key is %v, and was %v", again, hash)
	}
	second := lives.mustSend(t, lives.transfer(t, 2), "")
	mineAll(t, replicas[1:])
	wantChain(t, lives, map[common.Hash]bool{hash: true, second: true})
}

// TestRefusedElsewhere: what the node refused of one replica the other does not send
// again, and its nonce is used.
func TestRefusedElsewhere(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, nil)
	one, other := replicas[0], replicas[1]
	sent := one.mustSend(t, one.transfer(t, 1), "")
	other.step(t.Context()) // it follows it
	one.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, says("insufficient funds for gas * price + value")
			}
			return false, nil
		}
	})
	if hash, err := one.Send(t.Context(), one.transfer(t, 2), ""); err == nil {
		t.Fatalf("it was told to be under way: %v", hash)
	}
	one.node.set(func(n *fakeNode) { n.fault = nil })
	third := other.mustSend(t, other.transfer(t, 3), "")
	if tx := other.wantState(t, third, StateSent); tx.Nonce != 1 {
		t.Errorf("it has nonce %d", tx.Nonce)
	}
	mineAll(t, replicas)
	wantChain(t, one, map[common.Hash]bool{sent: true, third: true})
}

// TestBumpElsewhere: another replica than the one that sent it raises the fees.
func TestBumpElsewhere(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, nil)
	hash := replicas[0].mustSend(t, replicas[0].transfer(t, 1), "")
	replicas[1].step(t.Context())
	bumped, err := replicas[1].Bump(t.Context(), hash, 20)
	if err != nil {
		t.Fatal(err)
	}
	mineAll(t, replicas)
	wantChain(t, replicas[0], map[common.Hash]bool{bumped: true})
	replicas[0].wantState(t, hash, StateReplaced)
	replicas[0].wantState(t, bumped, StateMined)
}

// unfinished is how the text begins of a key that nothing is sent for any more.
const unfinished = "an earlier request with this idempotency key was begun at "

// TestKeysOfOthers: who asks another replica with the key of a request that is under way is
// told so; and once it is told that nothing is, nothing is sent for it any more.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, nil)
	one, other := replicas[0], replicas[1]
	begun, end := make(chan struct{}), make(chan struct{})
	one.vault.set(func(v *vault) {
		v.fail = func() error {
			close(begun)
			<-end
			return nil
		}
	})
	partial := one.transfer(t, 1)
	failed := make(chan error, 1)
	go func() {
		_, err := one.Send(t.Context(), partial, "k")
		failed <- err
	}()
	<-begun
	other.wantError(t, "k", "another request with this idempotency key is under way: retry after 1 s")
	other.clock.move(time.Hour)
	other.wantError(t, "k", unfinished)
	other.wantError(t, "k", unfinished)
	one.vault.set(func(v *vault) { v.fail = nil })
	close(end)
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "nothing of it was sent") {
		t.Errorf("the first is told %v", err)
	}
	if signed := one.vault.signatures(); signed != 1 {
		t.Errorf("%d signatures", signed)
	}
	told := map[common.Hash]bool{other.mustSend(t, other.transfer(t, 1), "k again"): true}
	mineAll(t, replicas)
	wantChain(t, one, told)
}

// TestKeysOfTheDead: a key that a replica left behind is told of as long as it may be at
// it, and then ended; what was finished meanwhile is told.
func TestKeysOfTheDead(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, nil)
	one, other := replicas[0], replicas[1]
	one.vault.set(func(v *vault) { v.fail = func() error { return errors.New("the vault may have signed") } })
	one.wantError(t, "k", "internal error")
	one.vault.set(func(v *vault) { v.fail = nil })
	one.wantError(t, "k", unfinished) // its own, at once
	other.wantError(t, "k", unfinished)
	hash := one.mustSend(t, one.transfer(t, 1), "l")
	if again := other.mustSend(t, other.transfer(t, 1), "l"); again != hash {
		t.Errorf("%v after %v", again, hash)
	}
}

// lost are records whose changes fail while they are out of reach, of a lock that is lost
// with them.
type lost struct {
	rules.Records
	rules.Shared
	gone bool
}

func (l *lost) Lock(ctx context.Context, name string) (func(), error) {
	if l.gone = true; strings.HasPrefix(name, prefixLanes) {
		return nil, errors.New("the database is gone")
	}
	return l.Shared.Lock(ctx, name)
}

func (l *lost) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if l.gone {
		return errors.New("the database is gone")
	}
	return l.Records.ChangeRecords(ctx, changes...)
}

// TestKeysThatCouldNotBeGivenBack: when the records are lost after a key was begun and
// before anything is signed, the key is free for who asks again there.
func TestKeysThatCouldNotBeGivenBack(t *testing.T) {
	t.Parallel()
	w := newReplicas(t, 1, nil)[0]
	whole, shared := w.cfg.Records, w.cfg.Shared
	gone := &lost{Records: whole, Shared: shared}
	w.cfg.Records, w.cfg.Shared = gone, gone
	w.restart(t)
	w.wantError(t, "k", "the signer can't use its records, and nothing was signed")
	w.wantError(t, "k", "the signer can't use its records, and nothing was signed") // and not that something may be
	gone.gone = false
	w.Outbox.cfg.Shared = shared
	w.mustSend(t, w.transfer(t, 1), "k")
	if signed := w.vault.signatures(); signed != 1 {
		t.Errorf("%d signatures", signed)
	}
}

// TestRecordsOutOfReach: while others' transactions can't be read, nothing is sent.
func TestRecordsOutOfReach(t *testing.T) {
	t.Parallel()
	w := newReplicas(t, 1, nil)[0]
	gone := &unreachable{Shared: w.cfg.Shared}
	w.cfg.Shared = gone
	w.restart(t)
	gone.err = errors.New("the database is gone")
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.HasPrefix(err.Error(), "the signer can't use its records, and nothing was signed") {
		t.Errorf("it is told %v", err)
	}
	if signed := w.vault.signatures(); signed != 0 {
		t.Errorf("%d signatures", signed)
	}
	gone.err = nil
	w.mustSend(t, w.transfer(t, 1), "")
}

type unreachable struct {
	rules.Shared
	err error
}

func (u *unreachable) RecordsSince(ctx context.Context, prefix string, since rules.Mark, do func(string, []byte) error) (rules.Mark, error) {
	if u.err != nil {
		return since, u.err
	}
	return u.Shared.RecordsSince(ctx, prefix, since, do)
}

// TestOldNewsChangeNothing: a look at a chain that is older than what another replica
// has recorded does not undo it.
func TestOldNewsChangeNothing(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2, func(w *world) { w.cfg.Confirmations = 1 })
	one, other := replicas[0], replicas[1]
	hash := one.mustSend(t, one.transfer(t, 1), "")
	other.step(t.Context())
	was, _ := other.book.find(hash)
	one.block(t)
	one.node.mine()
	one.block(t)
	one.wantState(t, hash, StateFinal)
	other.persist(t.Context(), []update{other.returned(was)})
	one.wantState(t, hash, StateFinal)
	if _, followed := other.book.find(hash); followed {
		t.Error("it is still followed")
	}
	if _, err := other.raw(t.Context(), was.key); err == nil {
		t.Error("it would be sent again")
	}
}
