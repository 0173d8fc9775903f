package keyvault

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// connected has asked the vault nothing.
func connected(t *testing.T, cfg Config) *Vault {
	t.Helper()
	v, err := Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// versionsOf are the ids of versions, in order.
func versionsOf(versions []Version) []string {
	var ids []string
	for _, v := range versions {
		ids = append(ids, v.Version)
	}
	slices.Sort(ids)
	return ids
}

func TestEnabledVersions(t *testing.T) {
	s := start(t, emulator.Options{})
	var want []string
	byID := make(map[string]emulator.Key)
	for _, opts := range []emulator.KeyOptions{
		{}, {NotBefore: time.Now().Add(time.Hour)}, {Expires: time.Now().Add(-time.Minute)}, {KeyOps: []string{"verify"}}, {},
	} {
		key := createKey(t, s, "treasury", opts)
		want, byID[key.Version] = append(want, key.Version), key
	}
	slices.Sort(want)
	off := createKey(t, s, "treasury", emulator.KeyOptions{Disabled: true})
	createKey(t, s, "treasury", emulator.KeyOptions{Curve: "P-256"})
	createKey(t, s, "tls", emulator.KeyOptions{Managed: true})
	createKey(t, s, "other", emulator.KeyOptions{})

	v := connected(t, config(t, s, "kv-prod"))
	got, err := v.EnabledVersions(t.Context(), "Treasury")
	if err != nil || !slices.Equal(versionsOf(got), want) {
		t.Fatalf("got %v, %v; want %v", got, err, want)
	}
	for _, version := range got {
		if version.Address != addressOf(byID[version.Version]) {
			t.Errorf("%s has address %s", version, version.Address)
		}
	}
	if n := s.Count(emulator.OpList); n != 0 {
		t.Errorf("the keys of the vault were listed %d times", n)
	}
	for name, n := range map[string]int{
		"treasury/" + want[0]: 1, "treasury/" + off.Version: 0, "treasury/" + strings.Repeat("0", 32): 0, "nobody": 0, "tls": 0,
	} {
		if got, err := v.EnabledVersions(t.Context(), name); err != nil || len(got) != n {
			t.Errorf("%s: got %v, %v; want %d", name, got, err, n)
		}
	}
	if _, err := v.EnabledVersions(t.Context(), "a/b/c"); err == nil {
		t.Error("a bad name was taken")
	}
}

// What can't be listed is an error, and what is known of it comes with that.
func TestEnabledVersionsThatCanNotBeListed(t *testing.T) {
	s := start(t, emulator.Options{})
	oldest := createKey(t, s, "treasury", emulator.KeyOptions{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	current := createKey(t, s, "treasury", emulator.KeyOptions{})
	for _, op := range []emulator.Op{emulator.OpList, emulator.OpVersions} {
		s.Inject(emulator.Fault{Op: op, Kind: emulator.FaultForbiddenRBAC})
	}
	cfg := config(t, s, "kv-prod")
	cfg.Keys = []string{"TREASURY/" + oldest.Version, "treasury/" + current.Version, "other"}
	got, err := connected(t, cfg).EnabledVersions(t.Context(), "treasury")
	want := []string{oldest.Version, current.Version}
	slices.Sort(want)
	if !slices.Equal(versionsOf(got), want) || err == nil || !strings.Contains(err.Error(), "no role lets this identity list versions of key treasury") {
		t.Errorf("got %v, %v; want %v and an error", got, err, want)
	}
}

// A version that can't be read may sign all the same.
func TestEnabledVersionsThatCanNotBeRead(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	for kind, n := range map[emulator.FaultKind]int{
		emulator.FaultForbiddenRBAC: 1, emulator.FaultServerError: 1, emulator.FaultWrongKID: 1,
		emulator.FaultKeyDisabled: 0, emulator.FaultNotFound: 0,
	} {
		remove := s.Inject(emulator.Fault{Op: emulator.OpGet, Kind: kind})
		got, err := connected(t, config(t, s, "kv-prod")).EnabledVersions(t.Context(), "treasury")
		if err != nil || len(got) != n || n == 1 && (got[0].Version != key.Version || got[0].Address != common.Address{}) {
			t.Errorf("%s: got %v, %v; want %d", kind, got, err, n)
		}
		remove()
	}
}

// Versions that are no accounts, but may become some, are read. What can't be is known
// of without its address.
func TestAsleepVersions(t *testing.T) {
	s := start(t, emulator.Options{})
	later := createKey(t, s, "later", emulator.KeyOptions{NotBefore: time.Now().Add(time.Hour)})
	past := createKey(t, s, "past", emulator.KeyOptions{Expires: time.Now().Add(-time.Minute)})
	mute := createKey(t, s, "mute", emulator.KeyOptions{KeyOps: []string{"verify"}})
	createKey(t, s, "mute", emulator.KeyOptions{Disabled: true, NotBefore: time.Now().Add(time.Hour)})
	createKey(t, s, "tls", emulator.KeyOptions{Managed: true, Expires: time.Now().Add(-time.Minute)})
	createKey(t, s, "awake", emulator.KeyOptions{})
	want := []string{later.Version, past.Version, mute.Version}
	slices.Sort(want)

	named := config(t, s, "kv-prod")
	named.Keys = []string{"later", "later/" + later.Version, "past/" + past.Version, "mute"}
	for _, cfg := range []Config{config(t, s, "kv-prod"), named} {
		v := connected(t, cfg)
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := v.AsleepVersions(t.Context())
		if !slices.Equal(versionsOf(got), want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, version := range got {
			if key := map[string]emulator.Key{"later": later, "past": past, "mute": mute}[version.Key]; version.Address != addressOf(key) {
				t.Errorf("%s has address %s", version, version.Address)
			}
		}
		for kind, n := range map[emulator.FaultKind]int{emulator.FaultForbiddenRBAC: 3, emulator.FaultNotFound: 2} {
			remove := s.Inject(emulator.Fault{Op: emulator.OpGet, Key: "later", Kind: kind})
			if got := v.AsleepVersions(t.Context()); len(got) != n || n == 3 && !slices.Contains(got, Version{Key: "later", Version: later.Version}) {
				t.Errorf("%s: got %v, want %d", kind, got, n)
			}
			remove()
		}
	}
}

func TestDisable(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	account := accountOf(t, v, addressOf(key))
	if err := v.Disable(t.Context(), key.Name, key.Version); err != nil {
		t.Fatal(err)
	}
	if n := len(v.Accounts()); n != 0 {
		t.Errorf("%d accounts", n)
	}
	if _, err := v.Sign(t.Context(), account, common.Hash{1}); asBackendError(t, err).Kind != backend.KindNotFound {
		t.Errorf("got %v", err)
	}
	if err := v.Disable(t.Context(), "nobody", key.Version); asBackendError(t, err).Kind != backend.KindNotFound {
		t.Errorf("got %v", err)
	}
}

// A tool that asks for all versions gets them, however many keys there are.
func TestOpenWaitsForACompleteReading(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "key-00", emulator.KeyOptions{})
	for i := range 10 {
		createKey(t, s, fmt.Sprintf("key-%02d", i), emulator.KeyOptions{})
	}
	tune := fastTuning()
	tune.eagerKeys = 5
	cfg := config(t, s, "kv-prod")
	cfg.Complete = true
	v := opened(t, cfg, tune)
	if n := len(v.Accounts()); n != 11 || len(v.Unread()) != 0 {
		t.Errorf("%d accounts, want 11; unread: %v", n, v.Unread())
	}
	s.Inject(emulator.Fault{Op: emulator.OpVersions, Key: "key-00", Kind: emulator.FaultForbiddenRBAC})
	v = opened(t, cfg, tune)
	if unread := v.Unread(); len(v.Accounts()) != 10 || len(unread) != 1 || unread[0].Key != "key-00" {
		t.Errorf("%d accounts, want 10; unread: %v", len(v.Accounts()), unread)
	}
}
