package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func openShares(t *testing.T, records rules.Records, most size) *hostedRecords {
	t.Helper()
	shares, err := newHostedRecords(t.Context(), records, most, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

func change(t *testing.T, records rules.Records, changes ...rules.Change) {
	t.Helper()
	if err := records.ChangeRecords(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, records rules.Records, text string, changes ...rules.Change) {
	t.Helper()
	if err := records.ChangeRecords(t.Context(), changes...); !errors.Is(err, rules.ErrRecordsFull) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want one with %q", err, text)
	}
}

// TestShares: a service that has filled its share keeps no other from its work, nor do
// all together the process.
func TestShares(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	change(t, all, rules.Change{Key: "hosted/a/tx/1", New: []byte("x")}) // of an earlier process
	shares := openShares(t, all, size{4, 1000})
	a := shares.of("a")
	for i := 2; i <= 4; i++ {
		change(t, a, rules.Change{Key: "tx/" + strconv.Itoa(i), New: []byte("x")})
	}
	five := rules.Change{Key: "tx/5", New: []byte("x")}
	refused(t, a, "the hosted service a would have 5", five)
	change(t, a, rules.Change{Key: "tx/1", Old: []byte("x"), New: []byte("longer")}) // no further record
	change(t, a, rules.Change{Key: "tx/1", Old: []byte("longer")}, five)             // in its place
	refused(t, a, "the hosted service a", rules.Change{Key: "tx/6", New: []byte("x")})
	refused(t, shares.of("b"), "the hosted service b would have 1 with 1", rules.Change{Key: "tx/1", New: make([]byte, 1000)})
	for _, id := range []string{"b", "c"} {
		for i := range 4 {
			change(t, shares.of(id), rules.Change{Key: "tx/" + strconv.Itoa(i), New: []byte("x")})
		}
	}
	refused(t, shares.of("d"), "all hosted services together", rules.Change{Key: "tx/1", New: []byte("x")})
	for i := range 20 {
		change(t, shares, rules.Change{Key: "tx/" + strconv.Itoa(i), New: []byte("the process's own")})
	}
	// What moves from one to another adds nothing.
	change(t, shares, rules.Change{Key: "hosted/b/tx/0", Old: []byte("x")}, rules.Change{Key: "hosted/a/tx/0", New: []byte("x")})
	refused(t, a, "the hosted service a would have 6", rules.Change{Key: "tx/9", New: []byte("x")})
	if err := a.ChangeRecords(t.Context(), rules.Change{Key: "tx/9", Old: []byte("y")}); !errors.Is(err, rules.ErrConflict) {
		t.Error(err)
	}
	if again := openShares(t, all, size{4, 1000}); again.all != shares.all || again.kept["a"] != shares.kept["a"] || len(again.kept) != len(shares.kept) {
		t.Errorf("counted %+v, there are %+v", shares.kept, again.kept)
	}
}

// doubtful makes changes, or not, and says that it does not know.
type doubtful struct {
	rules.Records
	makes bool
}

func (d *doubtful) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if d.makes {
		if err := d.Records.ChangeRecords(ctx, changes...); err != nil {
			return err
		}
	}
	return errors.New("the disk does not answer")
}

// TestSharesInDoubt: the count is right also where the store did not say what it did.
func TestSharesInDoubt(t *testing.T) {
	t.Parallel()
	store := &doubtful{Records: memory.NewRecords()}
	shares := openShares(t, store, size{100, 10_000})
	add := []rules.Change{{Key: "lane/1"}, {Key: "tx/1", New: []byte("x")}} // the first changes nothing
	remove := rules.Change{Key: "tx/1", Old: []byte("x")}
	for _, test := range []struct {
		makes   bool
		changes []rules.Change
		want    int
	}{{false, add, 0}, {true, add, 1}, {false, []rules.Change{remove}, 1}, {true, []rules.Change{remove}, 0}} {
		store.makes = test.makes
		if err := shares.of("a").ChangeRecords(t.Context(), test.changes...); err == nil {
			t.Error("no error")
		}
		if got := shares.all.records; got != test.want || len(shares.ids()) != test.want {
			t.Errorf("%+v: counted %d, want %d", test, got, test.want)
		}
	}
}

// TestSharesAtOnce: many that add at the same time do not get beyond the share.
func TestSharesAtOnce(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	shares := openShares(t, all, size{10, 10_000})
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			err := shares.of("a").ChangeRecords(t.Context(), rules.Change{Key: "tx/" + strconv.Itoa(i), New: []byte("x")})
			if err != nil && !errors.Is(err, rules.ErrRecordsFull) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if shares.all.records != 10 || openShares(t, all, size{10, 10_000}).all != shares.all {
		t.Errorf("%+v", shares.all)
	}
}
