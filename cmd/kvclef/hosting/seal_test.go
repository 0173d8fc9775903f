package hosting

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// kept returns all records.
func kept(t *testing.T, records rules.Records) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := records.EachRecord(t.Context(), "", func(key string, value []byte) error {
		all[key] = value
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// holding returns records with these values.
func holding(t *testing.T, values map[string][]byte) rules.Records {
	t.Helper()
	records := memory.NewRecords()
	for key, value := range values {
		if err := records.ChangeRecords(t.Context(), rules.Change{Key: key, New: value}); err != nil {
			t.Fatal(err)
		}
	}
	return records
}

func opening(t *testing.T, values map[string][]byte, seal *Seal) error {
	t.Helper()
	_, err := Open(t.Context(), Config{Records: holding(t, values), Seal: seal, Runner: newStage()})
	return err
}

func TestRecordsAreSealed(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	first, services := h.furnish(t, "first", 2)
	second, _ := h.furnish(t, "second", 0)
	all := kept(t, h.records)
	want := []string{keyConfiguration + first.ID, keyConfiguration + second.ID, keyService + services[0].ID, keyService + services[1].ID, keyGeneration}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("kept: %v, want %v", got, want)
	}
	for key, value := range all {
		for _, plain := range []string{secret, "kv-prod", "cloudhsm", "consortium", "number"} {
			if bytes.Contains(value, []byte(plain)) {
				t.Errorf("%s shows %q", key, plain)
			}
		}
	}
	if err := opening(t, all, newSeal(t, 7)); err != nil {
		t.Errorf("as it is: %v", err)
	}
	if err := opening(t, all, newSeal(t, 8)); err == nil || !strings.Contains(err.Error(), "the key file is not the one") {
		t.Errorf("with another key: %v", err)
	}
	// One generation alone tells, when everything else is deleted.
	if err := opening(t, map[string][]byte{keyGeneration: all[keyGeneration]}, newSeal(t, 8)); err == nil {
		t.Error("with another key, and nothing kept: no error")
	}
	for name, pair := range map[string][2]string{
		"configurations":            {keyConfiguration + first.ID, keyConfiguration + second.ID},
		"services":                  {keyService + services[0].ID, keyService + services[1].ID},
		"a service and another":     {keyService + services[0].ID, keyConfiguration + first.ID},
		"generation and the others": {keyGeneration, keyConfiguration + first.ID},
	} {
		swapped := maps.Clone(all)
		swapped[pair[0]], swapped[pair[1]] = all[pair[1]], all[pair[0]]
		if err := opening(t, swapped, newSeal(t, 7)); err == nil || !strings.Contains(err.Error(), "record sealed/hosted/") {
			t.Errorf("%s swapped: %v", name, err)
		}
	}
	for name, change := range map[string]map[string][]byte{
		"under another id":     {keyConfiguration + "aaaaaaaaaa": all[keyConfiguration+first.ID]},
		"of an unknown kind":   {keyAll + "other/aaaaaaaaaa": newSeal(t, 7).close(keyAll+"other/aaaaaaaaaa", []byte(`{}`))},
		"with an odd id":       {keyService + "A/../b": newSeal(t, 7).close(keyService+"A/../b", []byte(`{}`))},
		"empty":                {keyService + services[0].ID: {}},
		"not sealed":           {keyService + services[0].ID: []byte(`{"scope":{}}`)},
		"sealed, and no JSON":  {keyService + services[0].ID: newSeal(t, 7).close(keyService+services[0].ID, []byte(secret))},
		"sealed, another time": {keyService + services[0].ID: newSeal(t, 7).close(keyService+services[0].ID, []byte(`{"created_at":"`+secret+`"}`))},
	} {
		changed := maps.Clone(all)
		maps.Copy(changed, change)
		if err := opening(t, changed, newSeal(t, 7)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("a record %s: %v", name, err)
		}
	}
}

// TestAFlippedBitIsSeen anywhere in what is sealed.
func TestAFlippedBitIsSeen(t *testing.T) {
	t.Parallel()
	seal := newSeal(t, 7)
	sealed := seal.close("a", []byte(secret))
	if text, err := seal.open("a", sealed); err != nil || string(text) != secret {
		t.Fatalf("%s, %v", text, err)
	}
	for bit := range 8 * len(sealed) {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := seal.open("a", changed); err == nil {
			t.Errorf("bit %d is not seen", bit)
		}
	}
	for n := range sealed {
		if _, err := seal.open("a", sealed[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken", n, len(sealed))
		}
	}
	if again := seal.close("a", []byte(secret)); bytes.Equal(again[1:13], sealed[1:13]) {
		t.Error("the nonce is the same twice")
	}
}

func TestSealFromAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(strings.Repeat("07", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seal, err := LoadSeal("hosting.key_file", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.open("a", newSeal(t, 7).close("a", nil)); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSeal("hosting.key_file", path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
}

// FuzzShelf: nothing that was not sealed is opened, and what was sealed is read
// without a panic.
func FuzzShelf(f *testing.F) {
	seal := newSeal(f, 7)
	f.Add([]byte(`{"number":1}`))
	f.Add([]byte(`{"scope":{"consortium":"a","environment":"b"},"created_at":"2026-01-01T00:00:00Z","document":` + document + `}`))
	f.Add([]byte(`{"scope":{"consortium":"a","environment":"b"},"created_at":"2026-01-01T00:00:00Z","document":` + serviceDocument + `}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := seal.open(keyGeneration, data); err == nil {
			t.Errorf("%x is opened", data)
		}
		s := shelf{seal: seal}
		for _, key := range []string{keyGeneration, keyConfiguration + "abcdefghij", keyService + "abcdefghij"} {
			c := &contents{configurations: make(map[string]Configuration), services: make(map[string]Service)}
			_ = s.read(c, key, seal.close(key, data))
		}
	})
}
