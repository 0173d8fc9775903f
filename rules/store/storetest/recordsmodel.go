package storetest

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
)

// record is one with its key.
type record struct {
	key   string
	value []byte
}

// TestRecordsModel compares records with a map, through random changes. Open
// returns an empty store.
func TestRecordsModel(t *testing.T, open func(t *testing.T) rules.Records) {
	rapid.Check(t, func(r *rapid.T) {
		p := &recordProperty{records: open(t), model: make(map[string][]byte)}
		r.Repeat(p.actions())
	})
}

// recordProperty does the same to records and to a map.
type recordProperty struct {
	records rules.Records
	model   map[string][]byte
}

func (p *recordProperty) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){"": p.compare, "change": p.change, "change too": p.change}
}

func recordKey(r *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "a/", "a/1", "a/2", "b/1", "b/2", "b/\xff", "c"}).Draw(r, "key")
}

// recordValue is none, an empty one, one that is common, or a long one.
func recordValue(r *rapid.T) []byte {
	switch rapid.IntRange(0, 4).Draw(r, "sort") {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return bytes.Repeat([]byte{rapid.Byte().Draw(r, "byte")}, rapid.IntRange(1, 20_000).Draw(r, "length"))
	}
	return []byte(rapid.SampledFrom([]string{"1", "2"}).Draw(r, "value"))
}

func (p *recordProperty) change(r *rapid.T) {
	var changes []rules.Change
	conflict := false
	after := maps.Clone(p.model)
	for range rapid.IntRange(1, 4).Draw(r, "changes") {
		c := rules.Change{Key: recordKey(r), New: recordValue(r)}
		if slices.ContainsFunc(changes, func(other rules.Change) bool { return other.Key == c.Key }) {
			continue
		}
		c.Old = p.model[c.Key]
		if rapid.IntRange(0, 9).Draw(r, "guessed") == 0 {
			c.Old = recordValue(r)
		}
		conflict = conflict || !same(c.Old, p.model[c.Key])
		after[c.Key] = c.New
		changes = append(changes, c)
	}
	switch err := p.records.ChangeRecords(r.Context(), changes...); {
	case conflict && errors.Is(err, rules.ErrConflict):
	case conflict || err != nil:
		r.Fatalf("%v; a conflict: %v", err, conflict)
	default:
		maps.DeleteFunc(after, func(_ string, value []byte) bool { return value == nil })
		p.model = after
	}
}

func (p *recordProperty) compare(r *rapid.T) {
	key := recordKey(r)
	got, err := p.records.Record(r.Context(), key)
	noError(r, "reading", err)
	if !same(got, p.model[key]) {
		r.Fatalf("%q is %.40q, want %.40q", key, got, p.model[key])
	}
	prefix := rapid.SampledFrom([]string{"", "a", "a/", "b/", "d"}).Draw(r, "prefix")
	var found []record
	err = p.records.EachRecord(r.Context(), prefix, func(key string, value []byte) error {
		found = append(found, record{key, value})
		return nil
	})
	noError(r, "reading all", err)
	var want []record
	for _, key := range slices.Sorted(maps.Keys(p.model)) {
		if strings.HasPrefix(key, prefix) {
			want = append(want, record{key, p.model[key]})
		}
	}
	if !slices.EqualFunc(found, want, record.equal) {
		r.Fatalf("under %q are %.400q, want %.400q", prefix, found, want)
	}
}

// same tells whether two records are as one, and none is as none.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func (r record) equal(other record) bool { return r.key == other.key && same(r.value, other.value) }

func noError(r *rapid.T, what string, err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// change makes one change.
func change(t testing.TB, records rules.Records, key string, from, to []byte) {
	t.Helper()
	if err := records.ChangeRecords(t.Context(), rules.Change{Key: key, Old: from, New: to}); err != nil {
		t.Fatalf("changing %q from %.40q to %.40q: %v", key, from, to, err)
	}
}

func wantRecord(t testing.TB, records rules.Records, key string, want []byte) {
	t.Helper()
	if got, err := records.Record(t.Context(), key); err != nil || !same(got, want) {
		t.Fatalf("%q is %.40q, %v; want %.40q", key, got, err, want)
	}
}

func eachRecord(t testing.TB, records rules.Records, prefix string) (found []record) {
	t.Helper()
	err := records.EachRecord(t.Context(), prefix, func(key string, value []byte) error {
		found = append(found, record{key, value})
		return nil
	})
	if err != nil {
		t.Errorf("reading the records under %q: %v", prefix, err)
	}
	return found
}

func wantRecords(t testing.TB, records rules.Records, prefix string, want ...record) {
	t.Helper()
	if found := eachRecord(t, records, prefix); !slices.EqualFunc(found, want, record.equal) {
		t.Fatalf("under %q are %.400q, want %.400q", prefix, found, want)
	}
}
