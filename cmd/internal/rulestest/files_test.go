package rulestest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"b.json", "a/z.JSON", "a/a.json", "a/notes.txt", ".git/x.json", "a/.hidden.json"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(`{"method":"account_list"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	notes := filepath.Join(folder, "a", "notes.txt")
	got, err := Find([]string{notes, folder})
	want := []string{notes, filepath.Join(folder, "a", "a.json"), filepath.Join(folder, "a", "z.JSON"), filepath.Join(folder, "b.json")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v and %v", got, err)
	}
	if _, err := Find([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no .json file in this folder") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Find([]string{filepath.Join(folder, "missing")}); err == nil {
		t.Error("a missing file is found")
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "case.json")
	for _, tt := range []struct{ text, want string }{
		{`{"method":"account_list"}`, ""},
		{"{\n,}", path + ":2:1: invalid character ','"},
		{`{"request":{}}`, path + ": request.method: missing"},
		{strings.Repeat(" ", MaxFile+1), "a case has at most 8388608 bytes"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFile(path)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if _, err := ReadFile(path + ".missing"); err == nil {
		t.Error("a missing file is read")
	}
}
