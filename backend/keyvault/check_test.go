package keyvault

import (
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/backend/emulator"
)

func TestCheck(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "good", emulator.KeyOptions{})
	createKey(t, s, "soon", emulator.KeyOptions{Expires: time.Now().Add(48 * time.Hour)})
	createKey(t, s, "hardware", emulator.KeyOptions{HSM: true, Curve: "SECP256K1"})
	createKey(t, s, "other-curve", emulator.KeyOptions{Curve: "P-256"})
	createKey(t, s, "off", emulator.KeyOptions{Disabled: true})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	setRotation(t, v, "good")
	r := v.Check(t.Context())
	if r.List != RightGranted || r.Get != RightGranted || r.ManagedHSM || r.Vault != "kv-prod" || r.URL != "https://kv-prod.vault.azure.net" {
		t.Errorf("got %+v", r)
	}
	if len(r.Accounts) != 3 || len(r.Skipped) != 2 {
		t.Fatalf("got %d accounts and %d skipped, want 3 and 2", len(r.Accounts), len(r.Skipped))
	}
	for _, a := range r.Accounts {
		if a.Sign != RightGranted {
			t.Errorf("key %s: right to sign is %s", a.Account.Key, a.Sign)
		}
		if hardware := a.Account.Key == "hardware"; a.Hardware != hardware || (a.Curve == "SECP256K1") != hardware {
			t.Errorf("key %s: hardware %v, curve %s", a.Account.Key, a.Hardware, a.Curve)
		}
	}
	all := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"key good/", "has a rotation policy", "key soon/", " expires on ", "key other-curve is on P-256"} {
		if !strings.Contains(all, want) {
			t.Errorf("warnings lack %q:\n%s", want, all)
		}
	}
	if len(r.Warnings) != 3 {
		t.Errorf("%d warnings, want 3:\n%s", len(r.Warnings), all)
	}
}

func TestCheckWithoutRights(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	cfg.Keys = []string{"treasury"}
	v := opened(t, cfg, fastTuning())
	defer s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultForbiddenRBAC})()
	defer s.Inject(emulator.Fault{Op: emulator.OpList, Kind: emulator.FaultForbiddenRBAC})()
	r := v.Check(t.Context())
	if r.List != RightDenied || r.Get != RightGranted || len(r.Accounts) != 1 || r.Accounts[0].Sign != RightDenied {
		t.Errorf("got %+v", r)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "no role lets this identity sign with key treasury") {
		t.Errorf("got warnings %q", r.Warnings)
	}
}

func TestCheckNeverSigns(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	logs := &logBuffer{}
	cfg := config(t, s, "kv-prod")
	cfg.Logger = logs.logger()
	v := opened(t, cfg, fastTuning())
	right, err := v.maySign(t.Context(), v.held.Load().entries[0])
	if err != nil || right != RightGranted {
		t.Fatalf("got %s, %v", right, err)
	}
	if !strings.Contains(logs.String(), "status=400") {
		t.Errorf("the vault did not refuse the request: %s", logs)
	}
}
