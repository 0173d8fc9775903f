package keyvault

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestOneRoundTripForASignatureNoneForAListing(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), defaultTuning())
	account := accountOf(t, v, addressOf(key))
	s.ResetCounts()
	for range 5 {
		v.Accounts()
	}
	mustSign(t, t.Context(), v, account, crypto.Keccak256Hash([]byte("one")))
	for _, op := range emulatorOps {
		want := 0
		if op == emulator.OpSign {
			want = 1
		}
		if got := s.Count(op); got != want {
			t.Errorf("%d requests to %s, want %d", got, op, want)
		}
	}
}

// emulatorOps are the operations that the emulator counts.
var emulatorOps = []emulator.Op{
	emulator.OpCreate, emulator.OpImport, emulator.OpGet, emulator.OpList, emulator.OpVersions, emulator.OpUpdate,
	emulator.OpSign, emulator.OpVerify, emulator.OpUnsupported, emulator.OpChallenge, emulator.OpDenied,
	emulator.OpDiscovery, emulator.OpToken, emulator.OpIdentity, emulator.OpForeign,
}

func TestSignWithBothCurveNames(t *testing.T) {
	s := start(t, emulator.Options{})
	for _, curve := range []string{"P-256K", "SECP256K1"} {
		createKey(t, s, "k-"+curve, emulator.KeyOptions{Curve: curve})
	}
	createKey(t, s, "k-hardware", emulator.KeyOptions{HSM: true})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	if n := len(v.Accounts()); n != 3 {
		t.Fatalf("%d accounts, want 3", n)
	}
	for _, account := range v.Accounts() {
		for i := range 20 { // about half of them come back with a high s
			mustSign(t, t.Context(), v, account, crypto.Keccak256Hash([]byte{byte(i)}))
		}
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		url    string
		flavor emulator.Flavor
	}{
		{"https://Kv-Prod.vault.azure.net:443/", emulator.KeyVault},
		{"https://kv-prod.vault.azure.cn", emulator.KeyVault},
		{"kv-prod.vault.usgovcloudapi.net", emulator.KeyVault},
		{"https://kv-prod.managedhsm.azure.net", emulator.ManagedHSM},
		{"https://kv-prod.managedhsm.azure.cn", emulator.ManagedHSM},
		{"https://kv-prod.managedhsm.usgovcloudapi.net", emulator.ManagedHSM},
	} {
		t.Run(c.url, func(t *testing.T) {
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod", Flavor: c.flavor}}})
			key := createKey(t, s, "treasury", emulator.KeyOptions{})
			cfg := config(t, s, "kv-prod")
			cfg.URL = c.url
			v := opened(t, cfg, fastTuning())
			mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
		})
	}
}

func TestCustomEndpoint(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.DialContext = nil
	cfg.URL, cfg.CustomEndpoint, cfg.Authority = "https://"+s.Addr(), true, "https://"+s.Addr()
	v := opened(t, cfg, fastTuning())
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
}

func TestSignRefusesAccountsThatAreNotPinned(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	good := accountOf(t, v, addressOf(key))
	for name, change := range map[string]func(*backend.Account){
		"version":    func(a *backend.Account) { a.Version = "00000000000000000000000000000000" },
		"key":        func(a *backend.Account) { a.Key = "../secrets" },
		"public key": func(a *backend.Account) { a.PublicKey[5]++ },
		"address":    func(a *backend.Account) { a.Address[0]++ },
	} {
		account := good.Clone()
		change(&account)
		s.ResetCounts()
		_, err := v.Sign(t.Context(), account, common.Hash{1})
		if failure := asBackendError(t, err); !failure.NotSigned {
			t.Errorf("%s: %v: want it certain that nothing was signed", name, err)
		}
		if n := s.Count(emulator.OpSign); n != 0 {
			t.Errorf("%s: the vault was asked %d times", name, n)
		}
	}
}
