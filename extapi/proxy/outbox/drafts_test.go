package outbox

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// drafts returns the drafts that are kept.
func (w *world) drafts(t *testing.T) (all []*parkedRecord) {
	t.Helper()
	if err := w.eachParked(t.Context(), func(_ string, _ []byte, r *parkedRecord, unread error) error {
		all = append(all, r)
		return unread
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// dearer makes fees rise, so that what is filled in anew is another transaction.
func (w *world) dearer() {
	w.node.set(func(n *fakeNode) { n.base.Mul(n.base, big.NewInt(3)) })
	w.clock.move(time.Minute)
}

// openBolt opens the state file of a directory.
func openBolt(t *testing.T, dir string) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(t.Context(), filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestPeopleApproveAfterARestart: what people approve is sent after the process has ended
// and its file was opened again, whatever kind of transaction it is.
func TestPeopleApproveAfterARestart(t *testing.T) {
	for name, text := range map[string]string{
		"with caps":   `{"to":"%v","value":"0x3e8"}`,
		"with a tip":  `{"to":"%v","value":"0x3e8","maxPriorityFeePerGas":"0x2"}`,
		"legacy":      `{"to":"%v","value":"0x3e8","type":"0x0"}`,
		"access list": `{"to":"%v","value":"0x3e8","type":"0x1","chainId":"0x539"}`,
		"with gas":    `{"to":"%v","value":"0x3e8","gas":"0xffff"}`,
		"with blobs":  `{"to":"%v","value":"0x3e8","blobVersionedHashes":["0x0100000000000000000000000000000000000000000000000000000000000000"]}`,
		"with nonce":  `{"to":"%v","value":"0x3e8","nonce":"0x0"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := bolt.Create(filepath.Join(dir, "state.db")); err != nil {
				t.Fatal(err)
			}
			store := openBolt(t, dir)
			replicas, _ := askingReplicas(t, 1, store, nil)
			w := replicas[0]
			large := w.tx(t, text, w.vault.address(1))
			id := w.ticketFor(t, large, "k")
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			w.dearer()

			store = openBolt(t, dir)
			defer func() { _ = store.Close() }()
			w.records, w.cfg.Records = store, store
			queue := w.ask(t)
			approve(t, queue, id)
			hash := w.mustSend(t, large, "k")
			w.wantState(t, hash, StateSent)
			if left := w.drafts(t); len(left) != 0 {
				t.Errorf("%d drafts are left", len(left))
			}
			if n := w.vault.signatures(); n != 1 {
				t.Errorf("%d signatures", n)
			}
		})
	}
}

// TestDraftWithBlobs: what follows from the blobs that a caller brings follows again, and is
// not kept.
func TestDraftWithBlobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	given := w.tx(t, `{"to":"%v","blobs":["0x%s"],"commitments":["0x%s"],"proofs":["0x%[3]s"],"gas":"0xffff"}`, w.vault.address(1), strings.Repeat("00", 128<<10), strings.Repeat("00", 48))
	first, err := w.fill(t.Context(), given, new(filling))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := first.filling()
	if err != nil {
		t.Fatal(err)
	}
	w.dearer()
	again, err := w.fill(t.Context(), given, &kept)
	if err != nil {
		t.Fatal(err)
	}
	args, filled := first.at(7)
	argsAgain, filledAgain := again.at(7)
	if !reflect.DeepEqual(args, argsAgain) || !slices.Equal(filled, filledAgain) {
		t.Errorf("%v after %v, with fees of %v and %v", filledAgain, filled, argsAgain.BlobFeeCap, args.BlobFeeCap)
	}
	if len(args.BlobHashes) != 1 || !slices.Contains(filled, "blobVersionedHashes") {
		t.Errorf("nothing followed from the blob: %v", filled)
	}
}

// TestPeopleApproveElsewhere: a caller that comes back to another process gets what people
// were asked about at the first, and it is sent once, whoever is asked.
func TestPeopleApproveElsewhere(t *testing.T) {
	t.Parallel()
	records := memory.NewRecords()
	replicas, queues := askingReplicas(t, 2, records, records)
	one, other := replicas[0], replicas[1]
	other.mustSend(t, other.transfer(t, 1), "") // the first does not know of it by itself
	large := one.transfer(t, 1000)
	id := one.ticketFor(t, large, "k")
	other.dearer()
	if again := other.ticketFor(t, large, "k"); again != id {
		t.Fatalf("another ticket for the same request: %s, %s", id, again)
	}
	approve(t, queues[1], id)
	hash := other.mustSend(t, large, "k")
	if again := one.mustSend(t, large, "k"); again != hash {
		t.Errorf("%v after %v", again, hash)
	}
	if second := one.ticketFor(t, large, "another"); second == id {
		t.Error("one approval is for two payments")
	}
	if n := one.vault.signatures(); n != 2 {
		t.Errorf("%d signatures", n)
	}
}

// TestPeopleApproveOnce: whoever asks at the same time, of whatever process, an approval is
// for one payment, and each payment that is sent has an approval of its own.
func TestPeopleApproveOnce(t *testing.T) {
	t.Parallel()
	records := memory.NewRecords()
	replicas, queues := askingReplicas(t, 4, records, records)
	large := replicas[0].transfer(t, 1000)
	id := replicas[0].ticketFor(t, large, "")
	replicas[0].dearer()
	approve(t, queues[0], id)
	var (
		mu    sync.Mutex
		sent  []common.Hash
		group sync.WaitGroup
	)
	for i := range 16 {
		group.Go(func() {
			hash, err := replicas[i%4].Send(t.Context(), large, "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				sent = append(sent, hash)
			}
		})
	}
	group.Wait()
	if n := replicas[0].vault.signatures(); len(sent) != 1 || n != 1 {
		t.Fatalf("%d sent, %d signatures", len(sent), n)
	}
	mineAll(t, replicas)
	wantChain(t, replicas[0], map[common.Hash]bool{sent[0]: true})
}

// TestDraftOfAUsedNonce: what is left of a draft whose process died after it was sent makes
// no second payment with its fees or its nonce.
func TestDraftOfAUsedNonce(t *testing.T) {
	t.Parallel()
	w, queue := asking(t)
	large := w.transfer(t, 1000)
	id := w.ticketFor(t, large, "")
	before := w.drafts(t)[0]
	key := asked{before.Principal, before.Request}.key("default")
	value, err := w.records.Record(t.Context(), key)
	if err != nil || value == nil {
		t.Fatalf("%q, %v", value, err)
	}
	approve(t, queue, id)
	first := w.mustSend(t, large, "")
	w.change(t, rules.Change{Key: key, New: value}) // as if it had not come to the removal
	w.dearer()
	queue = w.ask(t)
	second := w.ticketFor(t, large, "")
	if second == id {
		t.Fatal("one approval is for two payments")
	}
	after := w.drafts(t)[0]
	if after.Nonce != 1 || after.Filled.FeeCap.ToInt().Cmp(before.Filled.FeeCap.ToInt()) <= 0 {
		t.Errorf("nonce %d and fees of %v, which were %v", after.Nonce, after.Filled.FeeCap, before.Filled.FeeCap)
	}
	approve(t, queue, second)
	if tx := w.wantState(t, w.mustSend(t, large, ""), StateSent); tx.Nonce != 1 || tx.Hash == first {
		t.Errorf("nonce %d", tx.Nonce)
	}
}

func (w *world) change(t *testing.T, changes ...rules.Change) {
	t.Helper()
	if err := w.records.ChangeRecords(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

// TestDraftIsForOneCaller: another caller with the same request is asked about its own.
func TestDraftIsForOneCaller(t *testing.T) {
	t.Parallel()
	w, _ := asking(t)
	large := w.transfer(t, 1000)
	ask := func(principal string) {
		if _, err := w.Send(as(t, principal), large, ""); err == nil {
			t.Fatal("it was sent")
		}
	}
	ask("payments.example")
	w.dearer()
	ask("treasury.example")
	ask("payments.example")
	all := w.drafts(t)
	if len(all) != 2 {
		t.Fatalf("%d drafts", len(all))
	}
	if all[0].Filled.FeeCap.ToInt().Cmp(all[1].Filled.FeeCap.ToInt()) == 0 {
		t.Error("one has the fees of the other")
	}
}

// TestDraftIsNotGood: a draft is not used when it is old, of another chain, or beyond the
// bound of fees by now.
func TestDraftIsNotGood(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *world, *parkedRecord){
		"old":        func(_ *testing.T, w *world, _ *parkedRecord) { w.clock.move(parkedFor) },
		"from ahead": func(_ *testing.T, _ *world, r *parkedRecord) { r.Asked = r.Asked.Add(parkedFor + 2*time.Minute) },
		"chain":      func(_ *testing.T, _ *world, r *parkedRecord) { r.Chain = big.NewInt(5) },
		"nonce":      func(_ *testing.T, _ *world, r *parkedRecord) { r.Nonce++ },
		"fees": func(_ *testing.T, w *world, r *parkedRecord) {
			w.Outbox.cfg.FeeCap = big.NewInt(1e18)
			r.Filled.FeeCap.ToInt().Exp(big.NewInt(10), big.NewInt(18), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := asking(t)
			large := w.transfer(t, 1000)
			first := w.ticketFor(t, large, "")
			w.dearer()
			r := w.drafts(t)[0]
			before, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, w, r)
			after, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			w.change(t, rules.Change{Key: asked{r.Principal, r.Request}.key("default"), Old: before, New: after})
			if again := w.ticketFor(t, large, ""); again == first {
				t.Error("it was used")
			}
		})
	}
}

// TestDraftsOfSignatures: what eth_signTransaction fills in is kept in the same way.
func TestDraftsOfSignatures(t *testing.T) {
	t.Parallel()
	w, _ := asking(t)
	ctx, cancel := context.WithTimeout(rules.Hurry(t.Context()), time.Minute)
	defer cancel()
	large := w.transfer(t, 1000)
	ticket := func() string {
		_, err := w.Sign(ctx, "eth_signTransaction", large)
		var ticket interface{ Ticket() string }
		if !errors.As(err, &ticket) || ticket.Ticket() == "" {
			t.Fatalf("no ticket: %v", err)
		}
		return ticket.Ticket()
	}
	id := ticket()
	w.dearer()
	queue := w.ask(t)
	if again := ticket(); again != id {
		t.Fatalf("another ticket for the same request: %s, %s", id, again)
	}
	approve(t, queue, id)
	signed, err := w.Sign(ctx, "eth_signTransaction", large)
	if err != nil || signed.Tx.Nonce() != 0 {
		t.Errorf("%v, %v", signed, err)
	}
	if left := w.drafts(t); len(left) != 0 {
		t.Errorf("%d drafts are left", len(left))
	}
}
