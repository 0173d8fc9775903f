package crash_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
)

// TestLimitBooksNotice: what must never happen to limits of a policy would be found.
func TestLimitBooksNotice(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0).UTC()
	approval := func(id uint64, nonce, value, digest string) audit.Entry {
		e := audit.Entry{
			Event: audit.EventDecision, Request: digest, Verdict: "approve", Account: "0xA", To: "0xB", Nonce: nonce, Value: value, Digest: digest,
			Hold: &audit.Hold{ID: id, Time: at},
		}
		for _, c := range charges(e) {
			c.Expires = at.Add(aDay)
			e.Hold.Charges = append(e.Hold.Charges, c)
		}
		return e
	}
	for _, tt := range []struct {
		name   string
		doctor func(entries []audit.Entry, counted map[string]uint64) []audit.Entry
		want   string // "": nothing to find
	}{
		{"as it should be", func(e []audit.Entry, _ map[string]uint64) []audit.Entry { return e }, ""},
		{"approved again", func(e []audit.Entry, _ map[string]uint64) []audit.Entry {
			return append(e, approval(4, "2", "50", "0x4"))
		}, "signed/signatures/recipient=0xb: 4 are approved, and the state counts 3"},
		{"replaced by more", func(e []audit.Entry, _ map[string]uint64) []audit.Entry {
			return append(e, approval(4, "2", "51", "0x4"))
		}, "paid/value/recipient=0xb: 91 are approved, and the state counts 90"},
		{"a count is lost", func(e []audit.Entry, counted map[string]uint64) []audit.Entry { clear(counted); return e }, "the state counts 0"},
		{"over the limit", func(e []audit.Entry, counted map[string]uint64) []audit.Entry {
			counted["paid/value/recipient=0xb"] = 101
			return e
		}, "counts 101, of 100"},
		{"approved over the limit", func(e []audit.Entry, counted map[string]uint64) []audit.Entry {
			counted["paid/value/recipient=0xb"] = 101
			return append(e, approval(4, "4", "11", "0x4"))
		}, "101 are approved"},
		{"given back", func(e []audit.Entry, counted map[string]uint64) []audit.Entry {
			counted["paid/value/recipient=0xb"], counted["signed/signatures/recipient=0xb"] = 70, 2
			return append(e, audit.Entry{Event: audit.EventOutcome, Request: "0x3", Digest: "0x3", Outcome: "not signed"})
		}, ""},
		{"no hold", func(e []audit.Entry, _ map[string]uint64) []audit.Entry { e[1].Hold = nil; return e }, "entry 2 approves, and has no hold"},
		{"a hold twice", func(e []audit.Entry, _ map[string]uint64) []audit.Entry { e[1].Hold.ID = 1; return e }, "entries 1 and 2 have hold 1 both"},
		{"a hold of less", func(e []audit.Entry, _ map[string]uint64) []audit.Entry { e[1].Hold.Charges[0].Amount = "1"; return e }, "entry 2 holds"},
		{"a hold of one limit", func(e []audit.Entry, _ map[string]uint64) []audit.Entry {
			e[1].Hold.Charges = e[1].Hold.Charges[:1]
			return e
		}, "entry 2 holds"},
		{"a hold for less time", func(e []audit.Entry, _ map[string]uint64) []audit.Entry { e[1].Hold.Charges[0].Expires = at; return e }, "entry 2 holds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			counted := map[string]uint64{"paid/value/recipient=0xb": 90, "signed/signatures/recipient=0xb": 3}
			b := newBooks(common.Address{}, limit, false)
			b.limits = newLimitBooks()
			var err error
			for i, e := range tt.doctor([]audit.Entry{approval(1, "1", "40", "0x1"), approval(2, "2", "30", "0x2"), approval(3, "2", "50", "0x3")}, counted) {
				e.Seq = uint64(i + 1)
				err = errors.Join(err, b.enter(e))
			}
			err = errors.Join(err, b.limits.balance(counted))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
