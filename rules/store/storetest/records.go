package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestRecords checks records. Open returns an empty store.
func TestRecords(t *testing.T, open func(t *testing.T) rules.Records) {
	for name, story := range map[string]func(*testing.T, rules.Records){
		"values":    recordValues,
		"copies":    recordCopies,
		"conflicts": recordConflicts,
		"checks":    recordChecks,
		"order":     recordOrder,
		"ending":    recordEnding,
		"refused":   recordsRefused,
		"nobody":    recordsForNobody,
		"counters":  recordCounters,
		"transfers": recordTransfers,
	} {
		t.Run(name, func(t *testing.T) { story(t, open(t)) })
	}
}

// recordValues tells no record from one that is empty.
func recordValues(t *testing.T, records rules.Records) {
	steps := [][]byte{nil, {}, []byte("a"), {}, nil, []byte("\x00\xff"), bytes.Repeat([]byte("long"), rules.MaxRecordValue/4), nil}
	for i := 1; i < len(steps); i++ {
		change(t, records, "a/1", steps[i-1], steps[i])
		wantRecord(t, records, "a/1", steps[i])
		wantRecord(t, records, "a/", nil)
		wantRecord(t, records, "a/12", nil)
		kept := 0
		if steps[i] != nil {
			kept = 1
		}
		if found := eachRecord(t, records, ""); len(found) != kept {
			t.Fatalf("%d records", len(found))
		}
	}
	wantRecord(t, records, "", nil)
	wantRecord(t, records, strings.Repeat("k", rules.MaxRecordKey+1), nil)
}

// recordCopies changes what was given and what was got.
func recordCopies(t *testing.T, records rules.Records) {
	value := func() []byte { return bytes.Repeat([]byte("value"), 2000) }
	given := value()
	change(t, records, "a/1", nil, given)
	given[0] = 'x'
	wantRecord(t, records, "a/1", value())
	got, err := records.Record(t.Context(), "a/1")
	ok(t, "reading", err)
	got[0] = 'x'
	eachRecord(t, records, "a/")[0].value[0] = 'x'
	wantRecord(t, records, "a/1", value())
	change(t, records, "a/1", value(), nil)
}

// recordConflicts leaves nothing of a call of which one change is not as expected,
// wherever it stands in it.
func recordConflicts(t *testing.T, records rules.Records) {
	change(t, records, "a/is", nil, []byte("1"))
	change(t, records, "a/empty", nil, []byte{})
	others := []rules.Change{
		{Key: "a/new", New: []byte("2")},
		{Key: "b/new", New: []byte{}},
	}
	for _, bad := range []rules.Change{
		{Key: "a/is", Old: nil, New: []byte("2")},
		{Key: "a/is", Old: []byte{}, New: []byte("2")},
		{Key: "a/is", Old: []byte("2"), New: []byte("2")},
		{Key: "a/is", Old: []byte("1 and more"), New: nil},
		{Key: "a/is", Old: nil, New: nil},
		{Key: "a/empty", Old: nil, New: []byte{}},
		{Key: "a/empty", Old: []byte("1"), New: nil},
		{Key: "a/none", Old: []byte{}, New: []byte("2")},
		{Key: "a/none", Old: []byte("1"), New: nil},
	} {
		for at := range len(others) + 1 {
			err := records.ChangeRecords(t.Context(), slices.Insert(slices.Clone(others), at, bad)...)
			if !errors.Is(err, rules.ErrConflict) || !strings.Contains(err.Error(), bad.Key) {
				t.Fatalf("%q at %d: %v", bad, at, err)
			}
			wantRecords(t, records, "", record{"a/empty", []byte{}}, record{"a/is", []byte("1")})
		}
	}
	ok(t, "changing what is as expected", records.ChangeRecords(t.Context(), append(others, rules.Change{Key: "a/is", Old: []byte("1")})...))
	wantRecords(t, records, "", record{"a/empty", []byte{}}, record{"a/new", []byte("2")}, record{"b/new", []byte{}})
}

// recordChecks changes records only if others are as they were.
func recordChecks(t *testing.T, records rules.Records) {
	change(t, records, "a/1", nil, []byte("1"))
	same := rules.Change{Key: "a/1", Old: []byte("1"), New: []byte("1")}
	none := rules.Change{Key: "a/2"}
	ok(t, "checking alone", records.ChangeRecords(t.Context(), same, none))
	ok(t, "checking", records.ChangeRecords(t.Context(), same, none, rules.Change{Key: "a/3", New: []byte("3")}))
	change(t, records, "a/2", nil, []byte("2"))
	if err := records.ChangeRecords(t.Context(), same, none, rules.Change{Key: "a/3", Old: []byte("3")}); !errors.Is(err, rules.ErrConflict) {
		t.Fatal(err)
	}
	wantRecords(t, records, "a/", record{"a/1", []byte("1")}, record{"a/2", []byte("2")}, record{"a/3", []byte("3")})
}

// recordOrder finds records by prefixes, in the order of the bytes of their keys.
func recordOrder(t *testing.T, records rules.Records) {
	keys := []string{"\x00", "a", "a/", "a/1", "a/10", "a/2", "a0", "b/\x7f", "b/\xff", "b/\xff\xff", "é", "\xff", "\xff\xff", "\xff\xff\x00"}
	slices.Sort(keys)
	for i := range keys { // put in another order
		key := keys[(i*5+3)%len(keys)]
		change(t, records, key, nil, []byte("of "+key))
	}
	for _, prefix := range append([]string{"", "a/3", "b", "\xff\xff\xff", strings.Repeat("a", rules.MaxRecordKey+1)}, keys...) {
		var want []record
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, record{key, []byte("of " + key)})
			}
		}
		wantRecords(t, records, prefix, want...)
	}
}

// recordEnding ends a reading before its end.
func recordEnding(t *testing.T, records rules.Records) {
	for i := range 9 {
		change(t, records, fmt.Sprint("a/", i), nil, []byte{})
	}
	enough := errors.New("enough")
	seen := 0
	err := records.EachRecord(t.Context(), "a/", func(string, []byte) error {
		if seen++; seen == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 3 {
		t.Fatalf("%v after %d", err, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = records.EachRecord(ctx, "a/", func(string, []byte) error { seen++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || seen != 4 {
		t.Fatalf("%v after %d", err, seen)
	}
}

// recordsRefused asks for what no store takes.
func recordsRefused(t *testing.T, records rules.Records) {
	long := make([]byte, rules.MaxRecordValue+1)
	many := make([]rules.Change, rules.MaxChanges+1)
	for i := range many {
		many[i] = rules.Change{Key: fmt.Sprint("a/", i), New: []byte{}}
	}
	var heavy []rules.Change
	for i := range rules.MaxChangeBytes / rules.MaxRecordValue {
		heavy = append(heavy, rules.Change{Key: fmt.Sprint("a/", i), New: long[1:]})
	}
	longest := strings.Repeat("k", rules.MaxRecordKey)
	for name, changes := range map[string][]rules.Change{
		"nothing":           nil,
		"too many":          many,
		"too heavy":         heavy,
		"no key":            {{New: []byte{}}},
		"too long a key":    {{Key: longest + "k", New: []byte{}}},
		"too long a value":  {{Key: "a/1", New: long}},
		"too long a former": {{Key: "a/1", Old: long}},
		"twice":             {{Key: "a/1", New: []byte{}}, {Key: "a/2", New: []byte{}}, {Key: "a/1", Old: []byte{}}},
	} {
		if err := records.ChangeRecords(t.Context(), changes...); err == nil || errors.Is(err, rules.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantRecords(t, records, "")
	ok(t, "making as many changes as may be", records.ChangeRecords(t.Context(), many[1:]...))
	change(t, records, longest, nil, long[1:])
	wantRecord(t, records, longest, long[1:])
}

// recordsForNobody changes and tells nothing when the one who asked has gone.
func recordsForNobody(t *testing.T, records rules.Records) {
	change(t, records, "a/1", nil, []byte("1"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err := records.ChangeRecords(gone, rules.Change{Key: "a/1", Old: []byte("1")})
	_, readErr := records.Record(gone, "a/1")
	eachErr := records.EachRecord(gone, "", func(string, []byte) error { return nil })
	for _, err := range []error{err, readErr, eachErr} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	wantRecords(t, records, "", record{"a/1", []byte("1")})
}

// recordCounters has all clients count in the same records: nothing is lost.
func recordCounters(t *testing.T, records rules.Records) {
	const each, counters = 4, 3
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for i := range each {
				count(t, records, fmt.Sprint("count/", (client+i)%counters))
			}
		})
	}
	all.Wait()
	sum := 0
	for _, r := range eachRecord(t, records, "count/") {
		n, err := strconv.Atoi(string(r.value))
		ok(t, "counting", err)
		sum += n
	}
	if sum != clients*each {
		t.Errorf("%d were counted of %d", sum, clients*each)
	}
}

// count adds one to a record, however often others are first.
func count(t *testing.T, records rules.Records, key string) {
	for {
		old, err := records.Record(t.Context(), key)
		if err != nil {
			t.Error(err)
			return
		}
		n, _ := strconv.Atoi(string(old))
		err = records.ChangeRecords(t.Context(), rules.Change{Key: key, Old: old, New: []byte(strconv.Itoa(n + 1))})
		if err == nil {
			return
		}
		if !errors.Is(err, rules.ErrConflict) {
			t.Error(err)
			return
		}
	}
}

// recordTransfers moves between records while others read: no reading sees half
// of a move.
func recordTransfers(t *testing.T, records rules.Records) {
	const accounts, moves = 8, 8
	for i := range accounts {
		change(t, records, fmt.Sprint("sum/", i), nil, []byte("100"))
	}
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for move := range moves {
				from, to := (client+move)%accounts, (client*3+move*5+1)%accounts
				if from != to {
					transfer(t, records, fmt.Sprint("sum/", from), fmt.Sprint("sum/", to))
				}
				sum := 0
				for _, r := range eachRecord(t, records, "sum/") {
					n, _ := strconv.Atoi(string(r.value))
					sum += n
				}
				if sum != 100*accounts {
					t.Errorf("the sum is %d", sum)
				}
			}
		})
	}
	all.Wait()
}

// transfer moves one, if no other is first.
func transfer(t *testing.T, records rules.Records, from, to string) {
	var changes []rules.Change
	for key, by := range map[string]int{from: -1, to: 1} {
		old, err := records.Record(t.Context(), key)
		n, numberErr := strconv.Atoi(string(old))
		if err := errors.Join(err, numberErr); err != nil {
			t.Error(err)
			return
		}
		changes = append(changes, rules.Change{Key: key, Old: old, New: []byte(strconv.Itoa(n + by))})
	}
	if err := records.ChangeRecords(t.Context(), changes...); err != nil && !errors.Is(err, rules.ErrConflict) {
		t.Error(err)
	}
}

// TestRecordBounds fills a store to its bounds, which are those of open.
func TestRecordBounds(t *testing.T, open func(t *testing.T, records, bytes int) rules.Records) {
	full := func(records rules.Records, changes ...rules.Change) {
		t.Helper()
		before := eachRecord(t, records, "")
		if err := records.ChangeRecords(t.Context(), changes...); !errors.Is(err, rules.ErrRecordsFull) {
			t.Fatalf("%q: %v", changes, err)
		}
		wantRecords(t, records, "", before...)
	}
	t.Run("records", func(t *testing.T) {
		records := open(t, 3, 1000)
		add := func(key string) rules.Change { return rules.Change{Key: key, New: []byte("v")} }
		remove := func(key string) rules.Change { return rules.Change{Key: key, Old: []byte("v")} }
		full(records, add("1"), add("2"), add("3"), add("4"))
		ok(t, "adding as many as may be", records.ChangeRecords(t.Context(), add("1"), add("2"), add("3")))
		full(records, add("4"))
		ok(t, "changing one", records.ChangeRecords(t.Context(), rules.Change{Key: "3", Old: []byte("v"), New: []byte{}}))
		full(records, rules.Change{Key: "4", New: []byte{}})
		full(records, remove("1"), add("4"), add("5"))
		ok(t, "adding as many as go", records.ChangeRecords(t.Context(), add("4"), remove("2")))
		ok(t, "removing", records.ChangeRecords(t.Context(), remove("1")))
		ok(t, "adding where there is room", records.ChangeRecords(t.Context(), add("5")))
		full(records, add("6"))
	})
	t.Run("bytes", func(t *testing.T) {
		records := open(t, 1000, 20)
		value := func(n int) []byte { return []byte(strings.Repeat("v", n)) }
		full(records, rules.Change{Key: "key", New: value(18)})
		change(t, records, "key", nil, value(17))
		full(records, rules.Change{Key: "k", New: []byte{}})
		full(records, rules.Change{Key: "key", Old: value(17), New: value(18)})
		change(t, records, "key", value(17), value(16))
		change(t, records, "k", nil, []byte{})
		full(records, rules.Change{Key: "key", Old: value(16), New: value(17)})
		ok(t, "moving", records.ChangeRecords(t.Context(), rules.Change{Key: "k", Old: []byte{}}, rules.Change{Key: "key", Old: value(16), New: value(17)}))
		change(t, records, "key", value(17), nil)
		change(t, records, "other", nil, value(15))
		full(records, rules.Change{Key: "k", New: []byte{}})
	})
}
