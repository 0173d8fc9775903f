package outbox

import (
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// TestKept: what the records hold is shown without an outbox, as the outbox shows
// it but for what it alone knows.
func TestKept(t *testing.T) {
	w := newWorld(t, nil)
	first, second := w.mustSend(t, w.transfer(t, 1), "k"), w.mustSend(t, w.transfer(t, 2), "")
	kept := Kept{w.records}
	for _, filter := range []Filter{{}, {InFlight: true}, {Limit: 1}, {Account: &common.Address{1}}} {
		want, err := w.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Transactions {
			want.Transactions[i].State = StateUnsure // the outbox knows that they were sent
		}
		got, err := kept.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Lanes) == 1 && want.Lanes[0].InFlight != 2 {
			t.Errorf("%+v are under way, want 2", want.Lanes)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, want %+v", filter, got, want)
		}
	}
	for _, hash := range []common.Hash{first, second} {
		want, err := w.Show(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := kept.Show(t.Context(), hash); err != nil || got.Hash != hash || len(got.Raw) == 0 || !reflect.DeepEqual(got.Raw, want.Raw) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	if tx, err := kept.Show(t.Context(), common.Hash{1}); err == nil {
		t.Errorf("what was never sent is shown: %+v", tx)
	}
}
