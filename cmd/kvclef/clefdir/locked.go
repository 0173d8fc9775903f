package clefdir

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/keystore"
)

// ErrPassword says that a password does not open a file. A file that was
// changed can't be told from one whose password is another.
var ErrPassword = errors.New("the password is another, or the file was changed")

// What a password may cost to try. Clef's standard scrypt has N 262144, r 8 and
// p 1: 256 MiB, about a second.
const (
	maxScryptMemory = 512 << 20 // bytes
	maxScryptWork   = 1 << 24   // N·r·p
	maxPBKDF2       = 10_000_000
	maxSalt         = 128 // bytes
	derivedKey      = 32  // bytes
	ivBytes         = 16
	macBytes        = 32
)

// locked is what a password opens: the form of a master seed and of keystore
// files of version 3.
type locked struct {
	Cipher       string `json:"cipher"`
	CipherText   string `json:"ciphertext"`
	CipherParams struct {
		IV string `json:"iv"`
	} `json:"cipherparams"`
	KDF       string    `json:"kdf"`
	KDFParams kdfParams `json:"kdfparams"`
	MAC       string    `json:"mac"`
}

type kdfParams struct {
	DKLen int    `json:"dklen"`
	Salt  string `json:"salt"`

	N int `json:"n"` // of scrypt
	R int `json:"r"`
	P int `json:"p"`

	C   int    `json:"c"` // of PBKDF2
	PRF string `json:"prf"`
}

// check refuses what would take too long or too much memory to try, and what
// go-ethereum's decryption, which takes well-formed files alone, would not survive.
func (l *locked) check(most int) error {
	if l.Cipher != "aes-128-ctr" {
		return fmt.Errorf("the cipher %q is not aes-128-ctr", clip(l.Cipher))
	}
	for _, field := range []struct {
		name, text string
		min, max   int
	}{
		{"ciphertext", l.CipherText, 1, most},
		{"iv", l.CipherParams.IV, ivBytes, ivBytes},
		{"mac", l.MAC, macBytes, macBytes},
		{"salt", l.KDFParams.Salt, 1, maxSalt},
	} {
		raw, err := hex.DecodeString(field.text)
		if err != nil {
			return fmt.Errorf("%s is not hexadecimal", field.name)
		}
		if len(raw) < field.min || len(raw) > field.max {
			return fmt.Errorf("%s has %d bytes, not %d to %d", field.name, len(raw), field.min, field.max)
		}
	}
	if l.KDFParams.DKLen != derivedKey {
		return fmt.Errorf("dklen is %d, not %d", l.KDFParams.DKLen, derivedKey)
	}
	switch l.KDF {
	case "scrypt":
		return l.KDFParams.checkScrypt()
	case "pbkdf2":
		return l.KDFParams.checkPBKDF2()
	default:
		return fmt.Errorf("the key derivation %q is neither scrypt nor pbkdf2", clip(l.KDF))
	}
}

func (k kdfParams) checkScrypt() error {
	n, r, p := k.N, k.R, k.P
	switch {
	case n < 2 || n&(n-1) != 0:
		return fmt.Errorf("scrypt's n is %d, and has to be a power of two", n)
	case r < 1 || p < 1:
		return fmt.Errorf("scrypt's r is %d and p is %d: both begin at 1", r, p)
	case n > maxScryptWork || r > maxScryptWork || p > maxScryptWork,
		128*n*r > maxScryptMemory || 128*r*p > maxScryptMemory || n*r*p > maxScryptWork:
		return fmt.Errorf("scrypt with n %d, r %d, p %d costs more than is tried: it may take %d MiB and %d steps", n, r, p, maxScryptMemory>>20, maxScryptWork)
	}
	return nil
}

func (k kdfParams) checkPBKDF2() error {
	switch {
	case k.PRF != "hmac-sha256":
		return fmt.Errorf("pbkdf2's prf %q is not hmac-sha256", clip(k.PRF))
	case k.C < 1 || k.C > maxPBKDF2:
		return fmt.Errorf("pbkdf2's c is %d, not 1 to %d", k.C, maxPBKDF2)
	}
	return nil
}

// open decrypts it. It was checked before.
func (l *locked) open(password []byte) ([]byte, error) {
	k := l.KDFParams
	params := map[string]any{"dklen": k.DKLen, "salt": k.Salt}
	if l.KDF == "scrypt" {
		params["n"], params["r"], params["p"] = k.N, k.R, k.P
	} else {
		params["c"], params["prf"] = k.C, k.PRF
	}
	sealed := keystore.CryptoJSON{Cipher: l.Cipher, CipherText: l.CipherText, KDF: l.KDF, KDFParams: params, MAC: l.MAC}
	sealed.CipherParams.IV = l.CipherParams.IV
	plain, err := keystore.DecryptDataV3(sealed, string(password))
	if errors.Is(err, keystore.ErrDecrypt) {
		return nil, ErrPassword
	}
	return plain, err
}

// decode reads JSON into a value. Little of the input gets into the error: the
// name and the type of what is wrong.
func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("it is no JSON from byte %d on", syntax.Offset)
		}
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return fmt.Errorf("its member %q is a %s, which can't be meant", typed.Field, clip(typed.Value))
		}
		return errors.New("it is not what Clef writes")
	}
	return nil
}

// clip shortens a text of unknown origin for an error, which quotes it.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
