package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestStateIsShown prints a real store with something of everything in it.
func TestStateIsShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := bolt.Create(path); err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := store.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(tx.Put("spent", "17"), tx.Put("\x1b[2J", strings.Repeat("x", shownValue+3)), tx.Commit(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	err = store.ChangeRecords(t.Context(), rules.Change{Key: "tx/\x1b[2J", New: []byte("\x1b[2J")}, rules.Change{Key: "tx/2", New: []byte(strings.Repeat("x", shownValue+5))},
		rules.Change{Key: "sealed/1", New: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	charge := rules.Charge{Counter: "daily/0xab", Amount: *uint256.NewInt(5), Cap: *uint256.NewInt(100), Window: time.Hour}
	if _, err := store.Hold(t.Context(), []rules.Charge{charge, charge}); err != nil {
		t.Fatal(err)
	}
	key := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
	forged := rules.Attestation{SHA256: common.Hash{0xab}, File: "a\nb.js", Time: time.Unix(0, 0).UTC(), Key: &key, Signature: make(hexutil.Bytes, 65)}
	if err := errors.Join(store.Attest(t.Context(), forged), store.Close()); err != nil {
		t.Fatal(err)
	}
	summary, err := bolt.Inspect(t.Context(), path, time.Now(), true)
	if err != nil {
		t.Fatal(err)
	}
	shown := shownState{Summary: summary, Running: true}.String()
	for _, want := range []string{
		"Signer       running\n",
		"Attestation  ab00000000000000000000000000000000000000000000000000000000000000\n             1970-01-01T00:00:00Z, of \"a\\nb.js\", NOT VALID: ",
		"Storage      2 keys, ",
		"  \"spent\": \"17\"\n",
		"  \"\\x1b[2J\": \"" + strings.Repeat("x", shownValue) + "\" and 3 bytes more\n",
		"Counters     1\n  \"daily/0xab\": 10 used, of that 10 held, in 2 charges; the next expires ",
		"Holds        1 not settled\n  ",
		": 2 charges, the last counts until ",
		"Records      3, 234 bytes\n  \"sealed\": 1, 14 bytes\n  \"tx\": 2, 220 bytes\n",
		"  \"tx/\\x1b[2J\": \"\\x1b[2J\"\n  \"tx/2\": \"" + strings.Repeat("x", shownValue) + "\" and 5 bytes more\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "secret") {
		t.Error("a value that is sealed is shown")
	}
	if strings.ContainsRune(shown, '\x1b') {
		t.Error("an escape sequence reaches the terminal")
	}
}
