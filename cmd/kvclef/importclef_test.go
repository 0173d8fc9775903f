package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestFromRealClef has a real Clef make what it keeps, plays the story of the move
// with it, and compares what the two signers say then.
func TestFromRealClef(t *testing.T) {
	clef := findClef(t)
	home := t.TempDir()
	c := makeClef(t, clef, home)
	t.Run("story", func(t *testing.T) {
		story := storyParams(home)
		story.Files = []string{"testdata/script/importclef.txt"}
		testscript.Run(t, story)
	})
	c.run(t, func() { // as the story wants it of kvclef
		if !signs(t, c.ipc()) {
			t.Error("Clef refuses a third transaction")
		}
		if signs(t, c.ipc()) {
			t.Error("Clef signs a fourth transaction")
		}
	})
}

// TestClefsFoldersStay imports, and looks for any change.
func TestClefsFoldersStay(t *testing.T) {
	home := t.TempDir()
	c := copyClef(t, home)
	before := contents(t, home)
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte(clefPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	args := []string{
		"kvclef", "import", "clef", "--configdir", c.config(), "--keystore", c.keystore(), "--rules", c.rules(), "--chainid", clefChain,
		"--password-file", secret, "--datadir", filepath.Join(t.TempDir(), "data"),
	}
	if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, said.String())
	}
	if changed := contents(t, home); changed != before {
		t.Errorf("Clef's folders were changed:\n%s\n%s", before, changed)
	}
}

// contents are the names, modes, times and hashes of the files in a folder.
func contents(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			b.WriteString(" " + hex.EncodeToString(sum[:]))
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
