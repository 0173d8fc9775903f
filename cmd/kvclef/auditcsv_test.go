package main

import (
	"encoding/csv"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi/audit"
)

// auditTestRecord is an entry as the log holds it.
func auditTestRecord(t *testing.T, entry audit.Entry) audit.Record {
	t.Helper()
	line, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Repeat("ab", 32)
	raw := strings.TrimSuffix(string(line), "}") + `,"hash":"` + hash + `"}`
	return audit.Record{Entry: entry, Hash: hash, Raw: []byte(raw)}
}

// fullEntry has a value in every member, one that its name tells.
func fullEntry(t *testing.T) audit.Entry {
	t.Helper()
	var entry audit.Entry
	fill(reflect.ValueOf(&entry).Elem())
	entry.Value, entry.Prev = "1", strings.Repeat("0", 64)
	entry.Hold, entry.Before = nil, nil // in no column
	return entry
}

func fill(value reflect.Value) {
	for i := range value.NumField() {
		field := value.Field(i)
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		switch {
		case field.CanInt():
			field.SetInt(int64(i))
		case field.CanUint():
			field.SetUint(uint64(i))
		case field.Kind() == reflect.Bool:
			field.SetBool(true)
		case field.Kind() == reflect.String:
			field.SetString("the " + value.Type().Field(i).Name)
		case field.Type() == reflect.TypeFor[audit.Checkpoint](), field.Type() == reflect.TypeFor[audit.Idempotency]():
			fill(field)
		}
	}
}

// TestEveryMemberHasItsColumn: a member that is added to entries must be added
// to the table.
func TestEveryMemberHasItsColumn(t *testing.T) {
	t.Parallel()
	record := auditTestRecord(t, fullEntry(t))
	table := newCSVTable()
	row, err := table.row(record)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(table.header() + row)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if !slices.Equal(rows[0], auditColumns()) {
		t.Errorf("the header is %q", rows[0])
	}
	for i, cell := range rows[1] {
		if cell == "" {
			t.Errorf("column %s is empty", rows[0][i])
		}
	}
	members, err := auditMembers(record.Raw)
	if err != nil {
		t.Fatal(err)
	}
	page, err := auditPage(record)
	if err != nil {
		t.Fatal(err)
	}
	// value_ether is a column and no member; the proof of a vote is a member alone.
	if len(members) != len(auditColumns()) || strings.Count(page, "\n") != len(members) {
		t.Errorf("%d members and %d lines for %d columns", len(members), strings.Count(page, "\n"), len(auditColumns()))
	}
	if column := slices.Index(rows[0], "value_ether"); rows[1][column] != "0.000000000000000001" {
		t.Errorf("1 wei is %s ether", rows[1][column])
	}
}

func TestCSVCell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"0x71562b7199":             "0x71562b7199",
		"=HYPERLINK(\"http://x\")": "'=HYPERLINK(\"http://x\")",
		"+1":                       "'+1",
		"-1+1":                     "'-1+1",
		"@SUM(A1)":                 "'@SUM(A1)",
		"  =1":                     "'  =1",
		"\"=1":                     "'\"=1",
		"＝1":                       "'＝1",
		"\t=1":                     `\t=1`,
		"a\r\nb":                   `a\r\nb`,
		"a=b":                      "a=b",
	} {
		if got := csvCell(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got, want := csvRow([]string{`a"b`, "c,d", ""}), "\"a\"\"b\",\"c,d\",\"\"\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMembersOfNoEntry: what is no line of a log is an error, never a panic.
func FuzzAuditMembers(f *testing.F) {
	for _, seed := range []string{"", "[]", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":{"b":{"c":1}}}`, `{"a":[1]}`, `{"a":1,"b":"x","c":{"d":true}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		members, err := auditMembers(line)
		if err != nil && members != nil {
			t.Errorf("%q: %v and members", line, err)
		}
	})
}

func TestAuditMembers(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]auditMember{
		`{}`:                           nil,
		`{"seq":18446744073709551615}`: {{"seq", "18446744073709551615"}},
		`{"a":"x","c":{"d":true}}`:     {{"a", "x"}, {"c_d", "true"}},
		`{"a":[1,"x"]}`:                {{"a", `[1,"x"]`}},
		`{"a":{"b":{"c":1}}}`:          {{"a_b", `{"c":1}`}},
	} {
		got, err := auditMembers([]byte(line))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", line, got, err, want)
		}
	}
	for _, line := range []string{"", "[]", "7", "{", `{"a":1`, `{"a":{"b":{"c":1}}`, `{"a":{"b":}}`} {
		if got, err := auditMembers([]byte(line)); err == nil {
			t.Errorf("%s: %v and no error", line, got)
		}
	}
}
