package outbox

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// fullRecords take nothing that makes them larger, while they are full.
type fullRecords struct {
	rules.Records
	full bool
}

func (f *fullRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	grown := 0
	for _, c := range changes {
		grown += len(c.New) - len(c.Old)
	}
	if f.full && grown > 0 {
		return rules.ErrRecordsFull
	}
	return f.Records.ChangeRecords(ctx, changes...)
}

// TestFullStore: where others have filled the store, what is under way comes to its end
// all the same, and makes room.
func TestFullStore(t *testing.T) {
	records := new(fullRecords)
	w := newWorld(t, func(w *world) { records.Records, w.records = w.records, records })
	var hashes []common.Hash
	for i := range 5 {
		hashes = append(hashes, w.mustSend(t, w.transfer(t, i), ""))
	}
	records.full = true
	var busy *busyError
	if _, err := w.Send(t.Context(), w.transfer(t, 6), ""); !errors.As(err, &busy) {
		t.Errorf("it is told %v", err)
	}
	w.block(t)
	for range 24 {
		w.block(t)
	}
	for _, hash := range hashes {
		w.wantState(t, hash, StateFinal)
	}
	if inFlight, _ := w.book.load(); inFlight != 0 {
		t.Errorf("%d under way", inFlight)
	}
}
