package clefdir

import (
	"bytes"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// TestReads reads what go-ethereum's own storages wrote.
func TestReads(t *testing.T) {
	t.Parallel()
	values := map[string]string{"spent": "12", "<&> grüße": "\x00\xff \"", "empty": "", "large": strings.Repeat("x", 1<<20)}
	d := makeDir(t, values)
	got, err := d.read("")
	must(t, err)
	if !maps.Equal(got, values) {
		t.Errorf("got %d values, want %d", len(got), len(values))
	}
	dir, err := Open(d.path)
	must(t, err)
	defer dir.Close()
	seed, err := dir.Seed("", []byte(password))
	must(t, err)
	vault, err := dir.Vault(seed)
	must(t, err)
	defer vault.Close()
	if hash, err := vault.Attested(); err != nil || hash != "ab" {
		t.Errorf("attested: %q, %v", hash, err)
	}
	accounts, err := vault.Accounts()
	if err != nil || len(accounts) != 1 || accounts[0].Hex() != account || vault.Path() != d.vault {
		t.Errorf("accounts: %v, %v", accounts, err)
	}
	if kept, err := vault.Password(accounts[0]); err != nil || string(kept) != "secret of the account" {
		t.Errorf("password: %q, %v", kept, err)
	}
	if kept, err := vault.Password(common.Address{1}); err != nil || kept != nil {
		t.Errorf("password of another: %q, %v", kept, err)
	}
	if seed.Clear(); !bytes.Equal(seed.secret, make([]byte, len(testSeed))) {
		t.Error("the seed is still there")
	}
}

// TestReadsWhatClefMade reads a directory that Clef 1.17.3 made.
func TestReadsWhatClefMade(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	must(t, os.CopyFS(home, os.DirFS("../testdata/clef")))
	must(t, filepath.WalkDir(home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return os.Chmod(path, 0o600)
	}))
	dir, err := Open(filepath.Join(home, "config"))
	must(t, err)
	defer dir.Close()
	if _, err := dir.Seed("", []byte("another")); !errors.Is(err, ErrPassword) {
		t.Errorf("another password: %v", err)
	}
	seed, err := dir.Seed("", []byte("password of the master seed"))
	must(t, err)
	vault, err := dir.Vault(seed)
	must(t, err)
	defer vault.Close()
	values, err := vault.Storage()
	if err != nil || values["spent"] != "2" || len(values) != 3 {
		t.Errorf("storage: %q, %v", values, err)
	}
	files, err := KeyFiles(filepath.Join(home, "keystore"))
	if err != nil || len(files) != 1 || files[0].Problem != "" || files[0].Address.Hex() != account {
		t.Fatalf("keystore: %+v, %v", files, err)
	}
	key, err := ReadKey(filepath.Join(home, "keystore", files[0].Name))
	must(t, err)
	if _, err := key.Open([]byte("another")); !errors.Is(err, ErrPassword) {
		t.Errorf("another password: %v", err)
	}
	kept, err := vault.Password(files[0].Address)
	must(t, err)
	private, err := key.Open(kept)
	if err != nil || crypto.PubkeyToAddress(private.PublicKey).Hex() != account {
		t.Fatalf("key: %v", err)
	}
	words := private.D.Bits()
	Wipe(private)
	for _, word := range words {
		if word != 0 {
			t.Error("the key is still there")
		}
	}
}

// TestNothingKeptYet is a directory of clef init alone.
func TestNothingKeptYet(t *testing.T) {
	t.Parallel()
	d := makeDir(t, nil)
	must(t, os.RemoveAll(d.vault))
	if got, err := d.read(""); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	// The seed may be elsewhere.
	elsewhere := filepath.Join(t.TempDir(), "seed.json")
	must(t, os.Rename(filepath.Join(d.path, seedFile), elsewhere))
	if _, err := d.read(elsewhere); err != nil {
		t.Error(err)
	}
}

// TestRefused damages a directory in one place each, and wants to be told what
// to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are those of Unix")
	}
	replace := func(t *testing.T, path string, change func([]byte) []byte) {
		t.Helper()
		raw, err := os.ReadFile(path)
		must(t, err)
		must(t, os.Chmod(path, 0o600))
		must(t, os.WriteFile(path, change(raw), 0o600))
	}
	write := func(name, text string) func(*testing.T, made) {
		return func(t *testing.T, d made) {
			replace(t, filepath.Join(d.vault, name), func([]byte) []byte { return []byte(text) })
		}
	}
	for _, tt := range []struct {
		name   string
		damage func(*testing.T, made)
		want   string
	}{
		{"no seed", func(t *testing.T, d made) { must(t, os.Remove(filepath.Join(d.path, seedFile))) }, "masterseed.json is missing, so"},
		{"a seed of another", func(t *testing.T, d made) {
			must(t, os.Remove(filepath.Join(d.path, seedFile)))
			writeSeed(t, filepath.Join(d.path, seedFile), bytes.Repeat([]byte("other"), 60))
		}, "which is that of this master seed, but those of others"},
		{"a short seed", func(t *testing.T, d made) {
			must(t, os.Remove(filepath.Join(d.path, seedFile)))
			writeSeed(t, filepath.Join(d.path, seedFile), []byte("short"))
		}, "has 5 bytes, and Clef takes 256 at least"},
		{"a seed for all to read", func(t *testing.T, d made) { must(t, os.Chmod(filepath.Join(d.path, seedFile), 0o444)) }, "has mode 0444, so others can get at it: find out who did, then run chmod go= "},
		{"a seed that is a link", func(t *testing.T, d made) {
			file := filepath.Join(d.path, seedFile)
			must(t, os.Rename(file, file+"2"))
			must(t, os.Symlink(file+"2", file))
		}, "masterseed.json is a symbolic link"},
		{"a seed that is a folder", func(t *testing.T, d made) {
			file := filepath.Join(d.path, seedFile)
			must(t, os.Remove(file))
			must(t, os.Mkdir(file, 0o700))
		}, "is no ordinary file"},
		{"a huge seed", func(t *testing.T, d made) {
			must(t, os.Chmod(filepath.Join(d.path, seedFile), 0o600))
			must(t, os.Truncate(filepath.Join(d.path, seedFile), 1<<40))
		}, "has more than 65536 bytes"},
		{"a changed seed", func(t *testing.T, d made) {
			replace(t, filepath.Join(d.path, seedFile), func(raw []byte) []byte {
				at := bytes.Index(raw, []byte(`"ciphertext":"`)) + 14
				raw[at] = "10"[min(1, raw[at]-'0')] // another digit
				return raw
			})
		}, ErrPassword.Error()},
		{"a folder that is a link", func(t *testing.T, d made) {
			must(t, os.Rename(d.vault, d.vault+"2"))
			must(t, os.Symlink(d.vault+"2", d.vault))
		}, "is no folder"},
		{"a folder for all to write", func(t *testing.T, d made) { must(t, os.Chmod(d.vault, 0o722)) }, "has mode 0722, so others can put files there"},
		{"a directory for all to write", func(t *testing.T, d made) { must(t, os.Chmod(d.path, 0o770)) }, "has mode 0770, so others can put files there"},
		{"no directory", func(t *testing.T, d made) { must(t, os.RemoveAll(d.path)) }, "there is no folder"},
		{"a storage for all to read", func(t *testing.T, d made) { must(t, os.Chmod(filepath.Join(d.vault, storageFile), 0o644)) }, "jsstorage.json has mode 0644"},
		{"a storage that is a link", func(t *testing.T, d made) {
			must(t, os.Remove(filepath.Join(d.vault, storageFile)))
			must(t, os.Symlink("/dev/zero", filepath.Join(d.vault, storageFile)))
		}, "jsstorage.json is a symbolic link"},
		{"a huge storage", func(t *testing.T, d made) { must(t, os.Truncate(filepath.Join(d.vault, storageFile), 1<<40)) }, "has more than 134217728 bytes"},
		{"an empty storage", write(storageFile, ""), "Clef was stopped while it wrote"},
		{"half a storage", func(t *testing.T, d made) {
			replace(t, filepath.Join(d.vault, storageFile), func(raw []byte) []byte { return raw[:len(raw)-1] })
		}, "ends within the JSON"},
		{"two storages", func(t *testing.T, d made) {
			replace(t, filepath.Join(d.vault, storageFile), func(raw []byte) []byte { return append(raw, '{', '}') })
		}, "something follows the JSON"},
		{"a value twice", func(t *testing.T, d made) {
			replace(t, filepath.Join(d.vault, storageFile), func(raw []byte) []byte {
				return bytes.Join([][]byte{raw[:len(raw)-1], raw[1:]}, []byte(","))
			})
		}, `is in it twice`},
		{"values exchanged", func(t *testing.T, d made) {
			replace(t, filepath.Join(d.vault, storageFile), func(raw []byte) []byte {
				return []byte(strings.NewReplacer(`"a":`, `"b":`, `"b":`, `"a":`).Replace(string(raw)))
			})
		}, "the seal is broken"},
		{"a changed value", write(configFile, `{"ruleset_sha256":{"iv":"AAAAAAAAAAAAAAAA","c":"AAAAAAAAAAAAAAAAAAAAAA=="}}`), `config.json: the value of "ruleset_sha256": the seal is broken`},
		{"a short nonce", write(storageFile, `{"a":{"iv":"AAAA","c":"AAAAAAAAAAAAAAAAAAAAAA=="}}`), "iv has 3 bytes"},
		{"no value", write(storageFile, `{"a":null}`), `the value of "a" is not a sealed one`},
		{"another member", write(storageFile, `{"a":{"iv":"AAAAAAAAAAAAAAAA","c":"AAAAAAAAAAAAAAAAAAAAAA==","x":1}}`), "is not a sealed one"},
		{"no name", write(storageFile, `{"":{"iv":"AAAAAAAAAAAAAAAA","c":"AAAAAAAAAAAAAAAAAAAAAA=="}}`), "a value has no name"},
		{"an array", write(storageFile, `[]`), "it is no JSON object"},
		{"a password of nobody", write(passwordsFile, `{"x":{"iv":"AAAAAAAAAAAAAAAA","c":"AAAAAAAAAAAAAAAAAAAAAA=="}}`), `the password of "x", which is no address`},
		{"the storage of another", func(t *testing.T, d made) {
			must(t, os.Rename(filepath.Join(d.vault, configFile), filepath.Join(d.vault, storageFile)))
		}, "the seal is broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := makeDir(t, map[string]string{"a": "1", "b": "2"})
			tt.damage(t, d)
			if got, err := d.read(""); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and %v, want %q in it", got, err, tt.want)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "clef.ipc")
	if Answers(t.Context(), "unix", socket) {
		t.Error("no Clef runs")
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	if !Answers(t.Context(), "unix", socket) {
		t.Error("something answers")
	}
}
