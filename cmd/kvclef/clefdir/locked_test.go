package clefdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
)

// lockedJSON returns a keystore file with parts replaced.
func lockedJSON(t *testing.T, replace ...string) []byte {
	t.Helper()
	text := `{"address":"71562b71999873db5b286df957af199ec94617f7","version":3,"crypto":{"cipher":"aes-128-ctr","ciphertext":"` + strings.Repeat("ab", 32) +
		`","cipherparams":{"iv":"` + strings.Repeat("cd", 16) + `"},"kdf":"scrypt","kdfparams":{"dklen":32,"n":4096,"p":6,"r":8,"salt":"` + strings.Repeat("ef", 32) +
		`"},"mac":"` + strings.Repeat("01", 32) + `"}}`
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("no %q in %s", replace[i], text)
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return []byte(text)
}

// TestCosts refuses what would take too much to try, and what go-ethereum's
// decryption panics on.
func TestCosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to, want string // want "" is taken
	}{
		{`"n":4096`, `"n":4096`, ""},
		{`"n":4096,"p":6`, `"n":262144,"p":1`, ""}, // Clef's standard
		{`"n":4096`, `"n":1048576`, "costs more than is tried"},
		{`"n":4096`, `"n":9223372036854775807`, "has to be a power of two"},
		{`"n":4096`, `"n":4611686018427387904`, "costs more than is tried"},
		{`"n":4096`, `"n":0`, "has to be a power of two"},
		{`"n":4096`, `"n":-4096`, "has to be a power of two"},
		{`"n":4096`, `"n":"4096"`, `its member "crypto.kdfparams.n" is a string`},
		{`"n":4096`, `"n":4096.5`, `its member "crypto.kdfparams.n" is a number`},
		{`"r":8`, `"r":0`, "both begin at 1"},
		{`"r":8`, `"r":1073741824`, "costs more than is tried"},
		{`"p":6`, `"p":1073741824`, "costs more than is tried"},
		{`"p":6`, `"p":-1`, "both begin at 1"},
		{`"dklen":32`, `"dklen":16`, "dklen is 16, not 32"},
		{`"dklen":32`, `"dklen":1099511627776`, "dklen is 1099511627776, not 32"},
		{strings.Repeat("cd", 16), "cd", "iv has 1 bytes, not 16 to 16"},
		{strings.Repeat("01", 32), "01", "mac has 1 bytes"},
		{strings.Repeat("ab", 32), strings.Repeat("ab", 33), "ciphertext has 33 bytes"},
		{strings.Repeat("ab", 32), "zz", "ciphertext is not hexadecimal"},
		{strings.Repeat("ef", 32), "", "salt has 0 bytes"},
		{"aes-128-ctr", "aes-128-cbc", `the cipher "aes-128-cbc" is not aes-128-ctr`},
		{"scrypt", "argon2", `the key derivation "argon2" is neither`},
		{`"scrypt"`, `"pbkdf2"`, `pbkdf2's prf "" is not hmac-sha256`},
		{`"scrypt","kdfparams":{`, `"pbkdf2","kdfparams":{"prf":"hmac-sha256","c":262144,`, ""},
		{`"scrypt","kdfparams":{`, `"pbkdf2","kdfparams":{"prf":"hmac-sha256","c":1000000000,`, "pbkdf2's c is 1000000000"},
		{`"version":3`, `"version":"1"`, `its version is "1", not 3: geth account update`},
		{`"crypto"`, `"other"`, `it has no member "crypto"`},
		{`"71562b71`, `"xx562b71`, "its address"},
		{`{`, ``, "it is no JSON from byte"},
	} {
		_, err := decodeKey(lockedJSON(t, tt.from, tt.to))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s in the place of %s: %v, want %q", tt.to, tt.from, err, tt.want)
		}
	}
}

// TestKeyFiles opens keystore files that go-ethereum wrote.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, err := crypto.GenerateKey()
	must(t, err)
	address := crypto.PubkeyToAddress(private.PublicKey)
	sealed, err := keystore.EncryptDataV3(crypto.FromECDSA(private), []byte(password), 2, 1)
	must(t, err)
	write := func(name, claimed string, crypto keystore.CryptoJSON) string {
		raw, err := json.Marshal(map[string]any{"address": claimed, "version": 3, "id": "x", "Crypto": crypto})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
		return filepath.Join(dir, name)
	}
	good := write("good", address.Hex(), sealed)
	lies := write("lies", account, sealed)
	zero, err := keystore.EncryptDataV3(make([]byte, 32), []byte(password), 2, 1)
	must(t, err)
	noKey := write("zero", "", zero)
	write("hidden~", "", sealed)
	must(t, os.Symlink(good, filepath.Join(dir, "link")))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))

	open := func(path, password string) error {
		key, err := ReadKey(path)
		must(t, err)
		got, err := key.Open([]byte(password))
		if err == nil && !got.Equal(private) {
			t.Error("another key")
		}
		return err
	}
	if err := open(good, password); err != nil {
		t.Error(err)
	}
	if err := open(good, "x"); !errors.Is(err, ErrPassword) {
		t.Errorf("another password: %v", err)
	}
	if err := open(lies, password); err == nil || !strings.Contains(err.Error(), "somebody changed it") {
		t.Errorf("another address: %v", err)
	}
	if err := open(noKey, password); err == nil || !strings.Contains(err.Error(), "holds no secp256k1 key") {
		t.Errorf("no key: %v", err)
	}
	files, err := KeyFiles(dir)
	must(t, err)
	var said []string
	for _, file := range files {
		said = append(said, fmt.Sprintf("%s:%v", file.Name, file.Problem == ""))
	}
	if got := strings.Join(said, " "); got != "good:true lies:true link:false zero:true" {
		t.Errorf("listed %s", got)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "link"): "is a symbolic link", filepath.Join(dir, "none"): "there is no file", filepath.Join(dir, "folder"): "is no ordinary file",
	} {
		if _, err := ReadKey(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	must(t, os.Chmod(good, 0o640))
	if _, err := ReadKey(good); err == nil || !strings.Contains(err.Error(), "mode 0640") {
		t.Errorf("for the group to read: %v", err)
	}
}

// FuzzDecodeKey opens whatever passes the checks, if that is cheap: it must not
// panic.
func FuzzDecodeKey(f *testing.F) {
	f.Add([]byte(`{"version":3,"crypto":{"cipher":"aes-128-ctr","ciphertext":"ab","cipherparams":{"iv":"` + strings.Repeat("cd", 16) +
		`"},"kdf":"scrypt","kdfparams":{"dklen":32,"n":2,"p":1,"r":1,"salt":"00"},"mac":"` + strings.Repeat("01", 32) + `"}}`))
	f.Add([]byte(`{"version":3,"crypto":{"kdf":"pbkdf2","kdfparams":{"c":1,"prf":"hmac-sha256"}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, err := decodeKey(raw)
		if err != nil {
			return
		}
		if p := key.sealed.KDFParams; p.N*p.R*p.P > 1<<12 || p.C > 100 {
			return
		}
		if private, err := key.Open([]byte(password)); err == nil && private == nil {
			t.Error("neither a key nor an error")
		}
	})
}

func FuzzDecodeSeed(f *testing.F) {
	f.Add([]byte(`{"description":"Clef seed","version":1,"params":{"cipher":"aes-128-ctr","ciphertext":"ab","cipherparams":{"iv":"` + strings.Repeat("cd", 16) +
		`"},"kdf":"scrypt","kdfparams":{"dklen":32,"n":2,"p":1,"r":1,"salt":"00"},"mac":"` + strings.Repeat("01", 32) + `"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		sealed, err := decodeSeed(raw)
		if err != nil {
			return
		}
		if p := sealed.Params.KDFParams; p.N*p.R*p.P > 1<<12 || p.C > 100 {
			return
		}
		if _, err := sealed.Params.open([]byte(password)); err != nil && !errors.Is(err, ErrPassword) {
			t.Errorf("it passed the check, and is malformed: %v", err)
		}
	})
}

// FuzzDecodeStorage makes sure that what can be opened is what was sealed, and
// that a storage that is read has Go's reading of the JSON.
func FuzzDecodeStorage(f *testing.F) {
	f.Add([]byte(`{"a":{"iv":"AAAAAAAAAAAAAAAA","c":"AAAAAAAAAAAAAAAAAAAAAA=="}}`))
	f.Add([]byte(`{"a":{"iv":null,"c":"AA=="},"a":{}}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := decodeStorage(raw)
		if err != nil {
			return
		}
		var plain map[string]struct {
			Iv []byte `json:"iv"`
			C  []byte `json:"c"`
		}
		if err := json.Unmarshal(raw, &plain); err != nil || len(plain) != len(entries) {
			t.Fatalf("Clef reads %d values and %v, we read %d", len(plain), err, len(entries))
		}
		for name, entry := range entries {
			if !bytes.Equal(plain[name].Iv, entry.Nonce) || !bytes.Equal(plain[name].C, entry.Text) {
				t.Errorf("%q is another", name)
			}
			if _, err := entry.open(make([]byte, 32), name); err != nil && !errors.Is(err, errSeal) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}
