package outbox

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// unkept are records that refuse drafts.
type unkept struct {
	rules.Records
	err error
}

func (u *unkept) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	for _, c := range changes {
		if strings.HasPrefix(c.Key, prefixDrafts) && u.err != nil {
			return u.err
		}
	}
	return u.Records.ChangeRecords(ctx, changes...)
}

// TestDraftIsNotKept: whoever can't keep a draft tells its caller of the ticket all the same,
// and people are asked again when it comes back.
func TestDraftIsNotKept(t *testing.T) {
	t.Parallel()
	records := memory.NewRecords()
	full := &unkept{records, rules.ErrRecordsFull}
	replicas, _ := askingReplicas(t, 1, full, nil)
	w := replicas[0]
	large := w.transfer(t, 1000)
	first := w.ticketFor(t, large, "")
	w.dearer()
	if second := w.ticketFor(t, large, ""); second == first {
		t.Error("it was kept")
	}
	full.err = rules.ErrConflict // for ever, which nobody waits for
	w.dearer()
	w.ticketFor(t, large, "")
}

// TestDraftsAreBounded: what waits for people has a bound in number, for all and for one
// caller, and in time.
func TestDraftsAreBounded(t *testing.T) {
	w, _ := asking(t)
	park := func(principal string, i int) {
		d := &draft{chain: big.NewInt(testChain), asked: asked{principal, fmt.Sprint(i)}}
		w.park(t.Context(), d, 0)
		w.clock.move(time.Second)
	}
	parked := func(principal string, from, to int) { // as if each was parked
		for i := from; i < to; i++ {
			r := &parkedRecord{Version: recordVersion, Principal: principal, Request: fmt.Sprint(i), Asked: w.clock.time(), Chain: big.NewInt(testChain)}
			value, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			w.change(t, rules.Change{Key: asked{principal, r.Request}.key("default"), New: value})
			w.clock.move(time.Second)
		}
	}
	ofOne := func(principal string) (requests map[string]bool) {
		requests = make(map[string]bool)
		for _, r := range w.drafts(t) {
			if r.Principal == principal {
				requests[r.Request] = true
			}
		}
		return requests
	}
	parked("greedy", 0, maxParkedOfOne-1)
	for i := range 3 {
		park("greedy", maxParkedOfOne-1+i)
	}
	if kept := ofOne("greedy"); len(kept) != maxParkedOfOne || kept["0"] || kept["1"] || !kept["2"] {
		t.Errorf("%d drafts of one, with the oldest: %v", len(kept), kept["0"] || kept["1"])
	}
	for i := range 10 {
		parked(fmt.Sprint("caller ", i), 0, (maxParked-maxParkedOfOne)/10)
	}
	for i := range 10 {
		park("late", i)
	}
	if kept := w.drafts(t); len(kept) != maxParked || len(ofOne("greedy")) != maxParkedOfOne {
		t.Errorf("%d drafts, %d of one", len(kept), len(ofOne("greedy")))
	}
	w.clock.move(parkedFor)
	park("later", 0)
	if kept := w.drafts(t); len(ofOne("later")) != 1 || len(kept) > maxParked {
		t.Errorf("%d drafts are in the way of a new one", len(kept))
	}
	w.sweepNow(t)
	if kept := w.drafts(t); len(kept) != 1 {
		t.Errorf("%d drafts are kept for ever", len(kept))
	}
}

// sweepNow has old records removed as they are in the course of time.
func (w *world) sweepNow(t *testing.T) {
	t.Helper()
	for range 2 { // what is old must have been so a while ago
		w.clock.move(15 * time.Minute)
		w.sweepSometimes(t.Context())
	}
}

// TestDraftsThatAreAskedForStay: a caller that goes on asking has its draft for as long.
func TestDraftsThatAreAskedForStay(t *testing.T) {
	t.Parallel()
	w, _ := asking(t)
	large := w.tx(t, `{"to":"%v","value":"0x3e8"}`, w.vault.address(1))
	_, _ = w.Send(t.Context(), large, "")
	first := w.drafts(t)[0]
	w.dearer()
	for range 10 {
		w.clock.move(parkedFor / 4)
		w.sweepNow(t)
		_, _ = w.Send(t.Context(), large, "") // the ticket has ended meanwhile, and people are asked anew
	}
	if last := w.drafts(t)[0]; last.Filled.FeeCap.ToInt().Cmp(first.Filled.FeeCap.ToInt()) != 0 || !last.Asked.After(first.Asked.Add(parkedFor)) {
		t.Errorf("it was filled in anew, or is as old as ever: %v", last.Asked.Sub(first.Asked))
	}
}

// TestDraftWithBlobsBeyondTheBound: the fees of blobs count also where their caller leaves
// their hashes out. A draft beyond a bound that is lower by now is filled in anew, rather
// than refused for as long as it is there.
func TestDraftWithBlobsBeyondTheBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.cfg.FeeCap = big.NewInt(1e18) })
	given := w.tx(t, `{"to":"%v","nonce":"0x0","gas":"0xffff","blobs":["0x%s"]}`, w.vault.address(1), strings.Repeat("00", 128<<10))
	for price, want := range map[int64]bool{1: true, 1e13: false} { // a blob has 131,072 gas
		r := &parkedRecord{Asked: w.clock.time(), Chain: big.NewInt(testChain), Filled: filling{BlobFeeCap: (*hexutil.Big)(big.NewInt(price))}}
		if good, err := w.stillGood(t.Context(), r, given); err != nil || good != want {
			t.Errorf("a draft with %d wei per blob gas: %v, %v", price, good, err)
		}
	}
}
