package outbox

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
)

// TestDraftChangesNothingGiven: whatever a draft says, what the caller gave stays.
func TestDraftChangesNothingGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	given := w.tx(t, `{"to":"%v","gas":"0xffff","maxFeePerGas":"0x7735940a","maxPriorityFeePerGas":"0x3","chainId":"0x539","accessList":[{"address":"%[1]v","storageKeys":[]}]}`, w.vault.address(1))
	number := func(n int64) *hexutil.Big { return (*hexutil.Big)(big.NewInt(n)) }
	gas := hexutil.Uint64(1 << 30)
	d, err := w.fill(t.Context(), given, &filling{ChainID: number(5), Gas: &gas, FeeCap: number(1e18), TipCap: number(1e17), AccessList: true})
	if err != nil {
		t.Fatal(err)
	}
	args, filled := d.at(7)
	if args.Gas != given.Gas || args.MaxFeePerGas != given.MaxFeePerGas || args.MaxPriorityFeePerGas != given.MaxPriorityFeePerGas ||
		args.ChainID != given.ChainID || args.AccessList != given.AccessList {
		t.Errorf("a draft changes what was given: %+v", args)
	}
	if !slices.Equal(filled, []string{"nonce"}) {
		t.Errorf("filled in are %v", filled)
	}
}

// unreadables are what a draft may be that this version did not write.
func unreadables(t *testing.T, r *parkedRecord) []string {
	t.Helper()
	good, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	return []string{
		`{"version":2}`, `{`, ``, strings.Replace(text, `"version":1`, `"version":2`, 1), strings.Replace(text, `"nonce"`, `"more":1,"nonce"`, 1),
		strings.Replace(text, r.Request, strings.Repeat("0", 64), 1), strings.Replace(text, `"chain":1337`, `"chain":0`, 1),
	}
}

// TestDraftIsUnreadable: nothing is signed for a request whose draft can't be read, until
// that is old. All others are served, also those that people are asked about.
func TestDraftIsUnreadable(t *testing.T) {
	w, _ := asking(t)
	large := w.transfer(t, 1000)
	w.ticketFor(t, large, "")
	r := w.drafts(t)[0]
	key := asked{r.Principal, r.Request}.key("default")
	for i, text := range unreadables(t, r) {
		before, err := w.records.Record(t.Context(), key) // which goes soon if it does not say its time
		if err != nil {
			t.Fatal(err)
		}
		w.change(t, rules.Change{Key: key, Old: before, New: []byte(text)})
		queue := w.ask(t) // it starts
		if _, err := w.Send(t.Context(), large, ""); !errors.Is(err, errUnreadable) {
			t.Errorf("%q: %v", text, err)
		}
		w.mustSend(t, w.transfer(t, 1), "")
		other := w.transfer(t, 2000+i)
		id := w.ticketFor(t, other, "")
		w.dearer()
		if again := w.ticketFor(t, other, ""); again != id {
			t.Errorf("%q: the draft of another request is not kept", text)
			continue
		}
		approve(t, queue, id)
		w.mustSend(t, other, "")
	}
	w.clock.move(parkedFor)
	w.sweepNow(t)
	w.ticketFor(t, large, "")
}

// TestUnreadableDraftsAreBounded: those that can't be read count with the others, and are
// removed a day after they were asked for, or soon if they don't say when that was.
func TestUnreadableDraftsAreBounded(t *testing.T) {
	w, _ := asking(t)
	d := &draft{chain: big.NewInt(testChain), asked: asked{"caller", "new"}}
	kept := func() bool {
		w.park(t.Context(), d, 0)
		value, err := w.records.Record(t.Context(), d.asked.key("default"))
		if err != nil {
			t.Fatal(err)
		}
		return value != nil
	}
	for i := range maxParked {
		w.change(t, rules.Change{Key: asked{"caller", string(rune(i + 1))}.key("default"), New: []byte(`{"version":2,"asked":"` + w.clock.time().Format(time.RFC3339) + `"}`)})
	}
	if kept() {
		t.Error("there are more than may be")
	}
	w.clock.move(parkedFor + time.Minute)
	if !kept() {
		t.Error("old ones are in the way")
	}
	w.sweepNow(t)
	if left := w.drafts(t); len(left) != 1 {
		t.Errorf("%d drafts are left", len(left))
	}
	w.change(t, rules.Change{Key: asked{"caller", "none"}.key("default"), New: []byte(`[]`)})
	w.sweepNow(t)
	if left := w.drafts(t); len(left) != 1 {
		t.Errorf("%d drafts are left", len(left))
	}
}
