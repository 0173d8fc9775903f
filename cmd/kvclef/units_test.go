package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// TestPermissionDeniedNamesTheUser: a service's files are most often out of reach because a
// command is run as another user, which the error itself does not tell.
func TestPermissionDeniedNamesTheUser(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	p := &program{stderr: &said}
	bind := &net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EACCES)}
	if code := p.report(&runError{errors.Join(fmt.Errorf("opening the policy: %w", fs.ErrPermission), bind, errors.New("another"))}); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	user := fmt.Sprintf(" (kvclef runs as the user id %d)\n", os.Geteuid())
	if os.Geteuid() < 0 {
		user = "\n"
	}
	if want := "kvclef: opening the policy: permission denied" + user + "kvclef: listen unix: bind: permission denied" + user + "kvclef: another\n"; said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}

func TestPublicChainsAreNamedOnce(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]string)
	for _, chain := range publicChains {
		if other, again := seen[chain.id]; again {
			t.Errorf("%d is %s and %s", chain.id, other, chain.name)
		}
		seen[chain.id] = chain.name
	}
	for _, id := range []uint64{1, 10, 56, 100, 137, 8453, 42161, 43114, 59144, 534352, 11155111, 17000, 560048} {
		if _, public := publicChainNamed(id); !public {
			t.Errorf("%d is not known as public", id)
		}
	}
	for _, id := range []uint64{0, 1337, 31337, 32382, 1 << 62} {
		if name, public := publicChainNamed(id); public {
			t.Errorf("%d is taken for %s", id, name)
		}
	}
}

func TestIPCPath(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, tt := range []struct {
		name, path, folder string
		off                bool
		want               string
	}{
		{name: "own default", want: home + "/.kvclef/kvclef.ipc"},
		{name: "a folder, as in Clef", path: "/run/signer", want: "/run/signer/clef.ipc"},
		{name: "a folder with a slash", path: "/run/signer/", want: "/run/signer/clef.ipc"},
		{name: "a socket", path: "/run/signer.ipc", want: "/run/signer.ipc"},
		{name: "a configuration folder", folder: "/etc/clef", want: "/etc/clef/clef.ipc"},
		{name: "both", path: "/run/s.ipc", folder: "/etc/clef", want: "/run/s.ipc"},
		{name: "home in the path", path: "~/signer", want: home + "/signer/clef.ipc"},
		{name: "home in the folder", folder: "~/.clef", want: home + "/.clef/clef.ipc"},
		{name: "off", path: "/run/s.ipc", off: true, want: ""},
	} {
		cfg := config.Default()
		cfg.ConfigDir, cfg.Listeners.IPC = tt.folder, config.IPC{Disabled: tt.off, Path: tt.path}
		if got, err := ipcPath(cfg); err != nil || got != tt.want {
			t.Errorf("%s: got %q and %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestReadKeyShowsNothingOfTheKey(t *testing.T) {
	t.Parallel()
	const digits = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
	order := "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"plain", digits, true},
		{"with 0x and a line's end", "0x" + digits + "\r\n", true},
		{"upper case", "0X" + strings.ToUpper(digits), true},
		{"too short", digits[1:], false},
		{"too long", digits + "0", false},
		{"another letter", digits[1:] + "g", false},
		{"two keys", digits + "\n" + digits, false},
		{"zero", strings.Repeat("0", 64), false},
		{"the curve's order", order, false},
		{"empty", "", false},
		{"a flood", strings.Repeat(digits, 100), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			key, err := (&program{stderr: &said}).readKey(path)
			if (err == nil) != tt.ok || (key != nil) != tt.ok {
				t.Fatalf("got key %t and error %v", key != nil, err)
			}
			if said.Len() > 0 {
				t.Errorf("said %q", said.String())
			}
			if err != nil && strings.Contains(err.Error(), digits[1:9]) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{
		"0": "ERROR", "1": "ERROR", "2": "WARN", "3": "INFO", "4": "DEBUG", "5": "DEBUG",
		"error": "ERROR", "Warn": "WARN", "info": "INFO", "DEBUG": "DEBUG",
	} {
		if got := levelOf(level).String(); got != want {
			t.Errorf("level %s is %s, want %s", level, got, want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/run/clef.ipc": "/run/clef.ipc", "": "", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "~/x": "'~/x'",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
}
