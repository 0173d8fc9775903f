package keyvault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestCreate(t *testing.T) {
	for _, flavor := range []emulator.Flavor{emulator.KeyVault, emulator.ManagedHSM} {
		for _, hsm := range []bool{false, true} {
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod", Flavor: flavor}}})
			v := opened(t, config(t, s, "kv-prod"), fastTuning())
			before := v.Generation()
			account, err := v.Create(t.Context(), "fresh", hsm)
			if err != nil {
				t.Fatal(err)
			}
			if v.Generation() == before || account.Vault != "kv-prod" || account.Key != "fresh" {
				t.Errorf("got %+v", account)
			}
			if e := v.held.Load().entries[0]; e.hardware != (hsm || flavor == emulator.ManagedHSM) {
				t.Errorf("in hardware: %v", e.hardware)
			}
			mustSign(t, t.Context(), v, accountOf(t, v, account.Address), common.Hash{1})
			s.ResetCounts()
			if _, err := v.Create(t.Context(), "Fresh", hsm); err == nil || !strings.Contains(err.Error(), "already in vault kv-prod") {
				t.Errorf("got %v", err)
			}
			if n := s.Count(emulator.OpCreate); n != 0 {
				t.Errorf("a name in use got %d new versions", n)
			}
		}
	}
}

func TestImport(t *testing.T) {
	s := start(t, emulator.Options{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	for _, d := range []int64{1, 2, 1 << 40} { // short: they need padding
		key, err := crypto.ToECDSA(big.NewInt(d).FillBytes(make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		account, err := v.Import(t.Context(), "k"+big.NewInt(d).String(), key, false)
		if err != nil {
			t.Fatal(err)
		}
		if account.Address != crypto.PubkeyToAddress(key.PublicKey) {
			t.Errorf("d=%d: got %s", d, account.Address)
		}
		mustSign(t, t.Context(), v, account, common.Hash{1})
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	mixed.PublicKey = stranger.PublicKey
	for name, key := range map[string]*ecdsa.PrivateKey{"halves of two keys": mixed, "none": nil, "P-256": other, "empty": {}} {
		if _, err := v.Import(t.Context(), "bad", key, false); err == nil {
			t.Errorf("%s: imported", name)
		}
	}
}

func TestBadNamesNeverReachTheVault(t *testing.T) {
	s := start(t, emulator.Options{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s.ResetCounts()
	for _, name := range []string{"", "..", "a/b", "a b", "a_b", strings.Repeat("a", 128), "ä"} {
		if _, err := v.Create(t.Context(), name, false); err == nil {
			t.Errorf("%q was created", name)
		}
		if _, err := v.Import(t.Context(), name, key, false); err == nil {
			t.Errorf("%q was imported", name)
		}
		if err := v.Disable(t.Context(), name, ""); err == nil {
			t.Errorf("%q was disabled", name)
		}
	}
	wantCounts(t, s, nil)
}

// A create whose reply is lost may have been done: doing it again would make a
// second version, with another address.
func TestALostReplyIsNoReasonToCreateAgain(t *testing.T) {
	s := start(t, emulator.Options{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	s.Inject(emulator.Fault{Op: emulator.OpCreate, Kind: emulator.FaultLostReply, Times: 1})
	if _, err := v.Create(t.Context(), "fresh", false); asBackendError(t, err).NotSigned {
		t.Errorf("got %v", err)
	}
	if n := s.Count(emulator.OpCreate); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if err := v.Refresh(t.Context()); err != nil || len(v.Accounts()) != 1 {
		t.Errorf("got %v, %v: want the key that was made", v.Accounts(), err)
	}
	s.Inject(emulator.Fault{Op: emulator.OpCreate, Kind: emulator.FaultThrottled, Times: 1})
	if _, err := v.Create(t.Context(), "second", false); err != nil {
		t.Errorf("a throttled create was certainly not done: %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), defaultTuning())
	account := accountOf(t, v, addressOf(key))
	t.Run("throttled for longer than the caller waits", func(t *testing.T) {
		defer s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultThrottled, RetryAfter: time.Minute, Times: 1})()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := v.Sign(ctx, account, common.Hash{1})
		failure := asBackendError(t, err)
		if failure.Kind != backend.KindBusy || failure.RetryAfter < 50*time.Second || !failure.NotSigned || ctx.Err() != nil {
			t.Errorf("got %+v after %v", failure, time.Since(began))
		}
		s.ResetCounts()
		if _, err := v.Sign(ctx, account, common.Hash{1}); asBackendError(t, err).Kind != backend.KindBusy || s.Count(emulator.OpSign) != 0 {
			t.Errorf("during the pause: got %v and %d requests", err, s.Count(emulator.OpSign))
		}
	})
	t.Run("gone before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := v.Sign(ctx, account, common.Hash{1})
		if failure := asBackendError(t, err); failure.Kind != backend.KindCanceled || !failure.NotSigned {
			t.Errorf("got %+v", failure)
		}
	})
	t.Run("hang-up on the way", func(t *testing.T) {
		other := opened(t, config(t, s, "kv-prod"), defaultTuning())
		defer s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultSlow, Delay: time.Hour})()
		ctx, cancel := context.WithCancel(t.Context())
		s.ResetCounts()
		done := make(chan error, 1)
		go func() {
			_, err := other.Sign(ctx, account, common.Hash{1})
			done <- err
		}()
		for s.Count(emulator.OpSign) == 0 {
			<-time.After(time.Millisecond)
		}
		cancel()
		if failure := asBackendError(t, <-done); failure.Kind != backend.KindCanceled || failure.NotSigned || !errors.Is(failure, context.Canceled) {
			t.Errorf("got %+v", failure)
		}
	})
}
