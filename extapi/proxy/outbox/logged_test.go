package outbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// keptEntries remembers the entries of an audit log.
type keptEntries struct {
	*vault

	entries []audit.Entry
}

func (k *keptEntries) Append(_ context.Context, e audit.Entry) error {
	k.entries = append(k.entries, e)
	return nil
}

// TestKeysOfTheAuditLog: after the records were put back from a copy, the retry of a payment
// that was made since is not paid again: the audit log knows its key, and the caller is sent
// to look there.
func TestKeysOfTheAuditLog(t *testing.T) {
	log := new(keptEntries)
	w := newWorld(t, func(w *world) {
		log.vault = w.vault
		account, err := extapi.NewAccount(extapi.Config{Decider: w.vault, Signer: w.vault, Auditor: log, ChainIDs: w.cfg.ChainIDs, Logger: w.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Signer, w.cfg.Place = extapi.NewSignatory(account), "hosted/one/"
	})
	w.mustSend(t, w.transfer(t, 1), "invoice")
	w.mustSend(t, w.transfer(t, 2), "")
	entry := log.entries[0]
	switch {
	case entry.Idempotency == nil || entry.Event != audit.EventDecision:
		t.Fatalf("the first entry is %+v", entry)
	case log.entries[2].Event != audit.EventDecision || log.entries[2].Idempotency != nil:
		t.Errorf("one without a key has %+v", log.entries[2])
	}
	own, below := strings.CutPrefix(entry.Idempotency.Key, "hosted/one/")
	if !below {
		t.Fatalf("the key is %s", entry.Idempotency.Key)
	}

	w.cfg.Records = memory.NewRecords() // the copy
	used := []Logged{{Key: own, Request: entry.Idempotency.Request, ID: entry.Request, Time: w.clock.time()}}
	for _, want := range []int{1, 0} {
		if n, err := UseLogged(t.Context(), w.cfg.Records, append(used, used...)); err != nil || n != want {
			t.Errorf("%d are used, %v", n, err)
		}
	}
	w.restart(t)
	signed := w.vault.signatures()
	for range 2 {
		if _, err := w.Send(t.Context(), w.transfer(t, 1), "invoice"); err == nil || !strings.Contains(err.Error(), "kvclef audit show "+entry.Request) {
			t.Errorf("it is told %v", err)
		}
	}
	if _, err := w.Send(t.Context(), w.transfer(t, 9), "invoice"); err == nil || !strings.Contains(err.Error(), "was used for another request") {
		t.Errorf("another is told %v", err)
	}
	if n := w.vault.signatures(); n != signed {
		t.Errorf("%d signatures more", n-signed)
	}
	w.clock.move(8 * 24 * time.Hour)
	for range 2 { // it goes with the others
		if _, err := w.sweep(t.Context(), w.clock.time()); err != nil {
			t.Fatal(err)
		}
	}
	w.mustSend(t, w.transfer(t, 1), "invoice")
	if _, err := UseLogged(t.Context(), w.cfg.Records, []Logged{{Key: "lane/1/0x", ID: "request"}}); err == nil {
		t.Error("a lane is taken for a key")
	}
}
