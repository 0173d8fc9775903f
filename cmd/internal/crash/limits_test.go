package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

const (
	policyFile = "policy.yaml"
	signatures = 40             // by which a recipient may be sent something, by the policy
	aDay       = 24 * time.Hour // within which its limits hold
)

// limitBooks are what the limits of the policy have to count, by the audit log alone.
// Nothing is given back without an entry of it: the vault signs whatever it is asked.
type limitBooks struct {
	counters map[string]map[string]amounts // by counter and slot
	holds    map[uint64]uint64             // id of a hold → entry
	refused  map[string]int                // by reason
}

func newLimitBooks() *limitBooks {
	return &limitBooks{counters: map[string]map[string]amounts{}, holds: map[uint64]uint64{}, refused: map[string]int{}}
}

// charges are what an approval counts by the policy: its value, in the place of what
// it replaces or is replaced by, and its signature, in the place of equal ones.
func charges(e audit.Entry) []audit.Charge {
	account, recipient := strings.ToLower(e.Account), "/recipient="+strings.ToLower(e.To)
	return []audit.Charge{
		{Counter: "paid/value" + recipient, Slot: strconv.Itoa(chainID) + "/" + account + "/" + e.Nonce, Amount: e.Value},
		{Counter: "signed/signatures" + recipient, Slot: account + "/" + e.Digest, Amount: "1"},
	}
}

// most is the maximum of a counter's limit.
func (b *limitBooks) most(counter string) uint64 {
	if strings.HasPrefix(counter, "paid/") {
		return limit
	}
	return signatures
}

// approve takes an approval. What it counts must be in its entry: nothing else makes
// it durable.
func (b *limitBooks) approve(e audit.Entry) error {
	want := charges(e)
	if e.Hold == nil {
		return fmt.Errorf("entry %d approves, and has no hold", e.Seq)
	}
	for i := range want {
		want[i].Expires = e.Hold.Time.Add(aDay)
	}
	if !slices.Equal(e.Hold.Charges, want) {
		return fmt.Errorf("entry %d holds %v, not %v", e.Seq, e.Hold.Charges, want)
	}
	if before, twice := b.holds[e.Hold.ID]; twice {
		return fmt.Errorf("entries %d and %d have hold %d both", before, e.Seq, e.Hold.ID)
	}
	b.holds[e.Hold.ID] = e.Seq
	return b.count(e, 1)
}

// count adds an approval, or takes it off.
func (b *limitBooks) count(approval audit.Entry, times int) error {
	for _, c := range charges(approval) {
		amount, err := strconv.ParseUint(c.Amount, 10, 64)
		if err != nil {
			return fmt.Errorf("entry %d: the value: %w", approval.Seq, err)
		}
		if b.counters[c.Counter] == nil {
			b.counters[c.Counter] = map[string]amounts{}
		}
		if b.counters[c.Counter][c.Slot] == nil {
			b.counters[c.Counter][c.Slot] = amounts{}
		}
		b.counters[c.Counter][c.Slot][amount] += times
	}
	return nil
}

// balance compares the books with what a state counts, by counter.
func (b *limitBooks) balance(counted map[string]uint64) error {
	var failures []error
	for counter, bySlot := range b.counters {
		approved, most := uint64(0), b.most(counter)
		for slot, a := range bySlot {
			approved += a.count(slot)
		}
		if n := counted[counter]; approved > most || n < approved || n > most {
			failures = append(failures, fmt.Errorf("%s: %d are approved, and the state counts %d, of %d", counter, approved, n, most))
		}
	}
	return errors.Join(failures...)
}

// recover does to a copy of the state what the next start does, compares what the
// state counts then with the books, and returns what it lacked.
func (s *stage) recover(ctx context.Context) (lacked store.LogHead, err error) {
	path := filepath.Join(s.dir, "copy.db")
	text, err := os.ReadFile(s.store())
	if err != nil {
		return lacked, err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return lacked, err
	}
	state, err := bolt.Open(ctx, path, bolt.Options{})
	if err != nil {
		return lacked, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	lacked = state.Unsettled()
	if lacked != (store.LogHead{}) {
		held, err := s.heldSince(ctx, lacked.Seq)
		if err != nil {
			return lacked, err
		}
		n, err := state.Recover(ctx, held)
		if err != nil {
			return lacked, err
		}
		s.recovered += n
	}
	counted := map[string]uint64{}
	summary, err := bolt.Inspect(ctx, path, time.Now(), false)
	if err != nil {
		return lacked, err
	}
	for _, counter := range summary.Counters {
		counted[counter.Name] = counter.Used.Uint64()
	}
	return lacked, s.books.limits.balance(counted)
}

// heldSince reads what the entries after one hold.
func (s *stage) heldSince(ctx context.Context, seq uint64) (held []rules.Reservation, err error) {
	if seq > s.books.last {
		return nil, fmt.Errorf("the state has seen entry %d, and the log ends with %d", seq, s.books.last)
	}
	for record, err := range audit.Entries(ctx, s.log(), seq+1) {
		if err != nil {
			return nil, err
		}
		hold := record.Entry.Hold
		if hold == nil {
			continue
		}
		r := rules.Reservation{ID: rules.HoldID(hold.ID), At: hold.Time}
		for _, c := range hold.Charges {
			amount, err := uint256.FromDecimal(c.Amount)
			if err != nil {
				return nil, err
			}
			r.Charges = append(r.Charges, rules.Reserved{Counter: c.Counter, Slot: c.Slot, Amount: *amount, Expires: c.Expires})
		}
		held = append(held, r)
	}
	return held, nil
}

// forgetHolds closes the state as a signer would that had not looked into the log.
func (s *stage) forgetHolds(ctx context.Context) error {
	state, err := bolt.Open(ctx, s.store(), bolt.Options{})
	if err != nil {
		return err
	}
	_, err = state.Recover(ctx, nil)
	err = errors.Join(err, state.Rely(ctx, s.log(), func() (uint64, string) { return 0, "" }))
	return errors.Join(err, state.Close())
}
