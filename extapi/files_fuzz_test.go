package extapi

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// FuzzSelectorsFile: an entry that is taken has the selector of its signature.
func FuzzSelectorsFile(f *testing.F) {
	for _, text := range []string{`{"a9059cbb":"transfer(address,uint256)"}`, `{"a9059cbb":"x"}`, `{"A9059CBB":"transfer(address,uint256)"}`, `{}`, `null`, `[]`, `{"":"",":"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		custom, err := parseSelectors(text)
		if err != nil {
			return
		}
		for id, signature := range custom {
			if !bytes.Equal(crypto.Keccak256([]byte(signature))[:4], id[:]) {
				t.Errorf("%s is said to be %s", hex.EncodeToString(id[:]), signature)
			}
		}
	})
}

// FuzzAuthorities: what is taken as authorities of callers is certificates alone.
func FuzzAuthorities(f *testing.F) {
	one := authority(f).PEM
	f.Add(one)
	f.Add(append(one, one...))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		pool, err := authorities(text)
		if (pool == nil) != (err != nil) {
			t.Fatalf("%v, %v", pool, err)
		}
		if err == nil && otherBlocks(text) {
			t.Error("something else than certificates is taken")
		}
	})
}

// otherBlocks reports whether there is a block other than certificates.
func otherBlocks(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return true
		}
	}
	return false
}
