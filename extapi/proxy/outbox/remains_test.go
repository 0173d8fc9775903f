package outbox

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// estate is what an outbox has left in a store.
type estate struct {
	*memory.Records
	from string
}

func (e estate) put(t *testing.T, key string, value []byte) {
	t.Helper()
	if err := e.ChangeRecords(t.Context(), rules.Change{Key: e.from + key, New: value}); err != nil {
		t.Fatal(err)
	}
}

// transaction keeps one with its idempotency key, and returns what is left of the keys
// of their records.
func (e estate) transaction(t *testing.T, chain int64, account byte, nonce uint64, state State, age time.Duration, raw string) (key, claimed string) {
	t.Helper()
	r := &record{Version: recordVersion, Bytes: []byte(raw), Transaction: Transaction{
		Chain: big.NewInt(chain), Account: common.Address{account}, Nonce: nonce, Hash: common.Hash{account, byte(nonce), byte(chain)}, State: state,
		Value: new(big.Int), FeeCap: new(big.Int), TipCap: new(big.Int), Kept: noon.Add(-age), Changed: noon.Add(-age), Block: &Block{Number: 1},
	}}
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	c := &claim{key: fmt.Sprintf("idem/default/%x", r.Hash), claimRecord: claimRecord{Version: recordVersion, Request: "r", Time: noon.Add(-age)}}
	change, err := c.to(claimDone, r)
	if err != nil {
		t.Fatal(err)
	}
	e.put(t, r.key(), value)
	e.put(t, c.key, change.New)
	return r.key(), c.key
}

func (e estate) begun(t *testing.T, age time.Duration) string {
	t.Helper()
	c := &claim{key: fmt.Sprintf("idem/default/begun%d", age), claimRecord: claimRecord{Version: recordVersion, Request: "r", Time: noon.Add(-age)}}
	change, err := c.to(claimBegun, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.put(t, c.key, change.New)
	return c.key
}

func (e estate) draft(t *testing.T, age time.Duration) string {
	t.Helper()
	r := &parkedRecord{Version: recordVersion, Request: age.String(), Asked: noon.Add(-age), Chain: big.NewInt(1)}
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	key := asked{r.Principal, r.Request}.key("default")
	e.put(t, key, value)
	return key
}

// below returns the records below a prefix, without it.
func (e estate) below(t *testing.T, prefix string) map[string]string {
	t.Helper()
	kept := make(map[string]string)
	if err := e.EachRecord(t.Context(), prefix, func(key string, value []byte) error {
		kept[strings.TrimPrefix(key, prefix)] = string(value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestSweepRemains: of an outbox that runs no more stays what another must know, and
// nothing else.
func TestSweepRemains(t *testing.T) {
	t.Parallel()
	const old, young = 8 * 24 * time.Hour, time.Minute
	e := estate{Records: memory.NewRecords()}
	var want []string
	for nonce, test := range []struct {
		state              State
		age                time.Duration
		raw                string
		stays, itsKeyStays bool
	}{
		{StateUnsure, old, "raw", true, true},
		{StateUnsure, young, "raw", true, true},
		{StateMined, old, "raw", false, false},
		{StateMined, young, "raw", true, true},
		{StateFinal, old, "", false, false},
		{StateFinal, young, "", false, true},
		{StateReplaced, old, "raw", false, false},
		{StateReplaced, young, "raw", true, true},
		{StateReplaced, young, "", false, true},
		{StateRejected, old, "raw", false, false},
		{StateRejected, young, "raw", true, true},
	} {
		key, claimed := e.transaction(t, 1, 1, uint64(nonce), test.state, test.age, test.raw)
		if test.stays {
			want = append(want, key)
		}
		if test.itsKeyStays {
			want = append(want, claimed)
		}
	}
	e.begun(t, old)
	e.draft(t, old)
	e.put(t, "draft/default/of no time", []byte(`[]`)) // which nobody can read
	lane := prefixLanes + laneID{"1", common.Address{1}}.path()
	e.put(t, lane, encodeLane(11))
	want = append(want, e.begun(t, young), e.draft(t, young), lane)
	slices.Sort(want)
	for range 2 { // the second time does nothing
		if err := SweepRemains(t.Context(), e, noon.Add(-7*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(e.below(t, ""))); !slices.Equal(got, want) {
			t.Fatalf("left:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestInherit: what is of the heir's accounts moves, however often the moving is cut
// off, and nothing else does.
func TestInherit(t *testing.T) {
	t.Parallel()
	ours, theirs := laneID{"1", common.Address{1}}, laneID{"1", common.Address{2}}
	takes := func(chain string, account common.Address) bool {
		return laneID{chain, account} == ours
	}
	for cut := range 5 {
		e := estate{memory.NewRecords(), "a/"}
		for nonce := range uint64(150) { // more than are moved at once
			e.transaction(t, 1, 1, nonce, StateUnsure, 0, "raw")
		}
		e.transaction(t, 1, 2, 0, StateUnsure, 0, "raw")
		e.transaction(t, 2, 1, 0, StateUnsure, 0, "raw")
		e.begun(t, 0)
		for _, id := range []laneID{ours, theirs} {
			e.put(t, prefixLanes+id.path(), encodeLane(150))
		}
		before := e.below(t, "a/")
		store := &cutOff{Records: e.Records, after: cut}
		if err := Inherit(t.Context(), store, "a/", "b/", takes); (err == nil) != (cut == 4) {
			t.Fatalf("cut off after %d changes: %v", cut, err)
		}
		if err := Inherit(t.Context(), e, "a/", "b/", takes); err != nil {
			t.Fatal(err)
		}
		left, moved := e.below(t, "a/"), e.below(t, "b/")
		if len(left) != 6 || len(moved) != 301 {
			t.Errorf("%d left and %d moved, want 6 and 301", len(left), len(moved))
		}
		maps.Copy(left, moved)
		if !maps.Equal(left, before) {
			t.Error("something was lost or changed")
		}
	}
}

// TestInheritBoth: where the heir has a record, too, it stays; but no nonce is handed
// out again.
func TestInheritBoth(t *testing.T) {
	t.Parallel()
	all := func(string, common.Address) bool { return true }
	lane := prefixLanes + laneID{"1", common.Address{1}}.path()
	for _, test := range []struct{ left, heirs, want uint64 }{{7, 5, 7}, {5, 7, 7}} {
		records := memory.NewRecords()
		e, heir := estate{records, "a/"}, estate{records, ""}
		e.put(t, lane, encodeLane(test.left))
		heir.put(t, lane, encodeLane(test.heirs))
		_, claimed := e.transaction(t, 1, 1, 3, StateUnsure, 0, "raw")
		heir.put(t, claimed, []byte("the heir's"))
		if err := Inherit(t.Context(), records, "a/", "", all); err != nil {
			t.Fatal(err)
		}
		if got := heir.below(t, "")[lane]; got != string(encodeLane(test.want)) {
			t.Errorf("%d and %d: %s", test.left, test.heirs, got)
		}
		if got := heir.below(t, "")[claimed]; got != "the heir's" {
			t.Errorf("the key is %s", got)
		}
		if left := e.below(t, "a/"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}

// TestInheritRefuses what it does not know: it could be lost.
func TestInheritRefuses(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"lane/1/abc":     `{"version":1,"next":1}`,
		"idem/default/1": `{"version":1,"state":"done","request":"r","time":"2026-11-26T12:00:00Z","hash":"0x0000000000000000000000000000000000000000000000000000000000000001","record":"elsewhere"}`,
		"idem/default/2": `{"version":2}`,
		"tx/1":           `{"version":1}`,
	} {
		e := estate{memory.NewRecords(), "a/"}
		e.put(t, key, []byte(value))
		if err := Inherit(t.Context(), e, "a/", "b/", func(string, common.Address) bool { return true }); err == nil {
			t.Errorf("%s: no error", key)
		}
		if left := e.below(t, "a/"); len(left) != 1 {
			t.Errorf("%s is gone", key)
		}
	}
}

// cutOff makes some changes, and then none.
type cutOff struct {
	*memory.Records
	after int
}

func (c *cutOff) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if c.after--; c.after < 0 {
		return context.Canceled
	}
	return c.Records.ChangeRecords(ctx, changes...)
}

// TestHasLanes: whether anybody has sent is told by the lanes alone.
func TestHasLanes(t *testing.T) {
	t.Parallel()
	records := memory.NewRecords()
	for _, step := range []struct {
		key  string
		want bool
	}{{"tenancy/sends", false}, {"hosted/a/" + prefixLanes + "1/0x01", false}, {prefixLanes + laneID{"1", common.Address{1}}.path(), true}} {
		if err := records.ChangeRecords(t.Context(), rules.Change{Key: step.key, New: encodeLane(1)}); err != nil {
			t.Fatal(err)
		}
		if has, err := HasLanes(t.Context(), records); err != nil || has != step.want {
			t.Errorf("with %s: %v, %v", step.key, has, err)
		}
	}
}
