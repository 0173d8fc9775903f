package keyvault

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestDiscoveryCostsOneReadAndOneListingPerKey(t *testing.T) {
	s := start(t, emulator.Options{})
	for i := range 60 { // three pages
		createKey(t, s, fmt.Sprintf("key-%02d", i), emulator.KeyOptions{})
	}
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	if n := len(v.Accounts()); n != 60 {
		t.Fatalf("%d accounts, want 60", n)
	}
	wantCounts(t, s, map[emulator.Op]int{
		emulator.OpChallenge: 1, emulator.OpToken: 1, emulator.OpList: 3, emulator.OpGet: 60, emulator.OpVersions: 60,
	})
}

func TestDiscoveryOfABigVaultWaitsForOneReadPerKey(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "key-00", emulator.KeyOptions{})
	for i := range 50 {
		createKey(t, s, fmt.Sprintf("key-%02d", i), emulator.KeyOptions{})
	}
	hold := s.Inject(emulator.Fault{Op: emulator.OpVersions, Kind: emulator.FaultSlow, Delay: time.Hour})
	tune := fastTuning()
	tune.eagerKeys = 40
	v := opened(t, config(t, s, "kv-prod"), tune)
	if n := len(v.Accounts()); n != 50 {
		t.Fatalf("%d accounts after opening, want 50", n)
	}
	if n := s.Count(emulator.OpGet); n != 50 {
		t.Errorf("%d reads, want 50", n)
	}
	before := v.Generation()
	hold()
	if err := v.Refresh(t.Context()); err != nil { // waits for the one in the background
		t.Fatal(err)
	}
	if n := len(v.Accounts()); n != 51 || v.Generation() == before {
		t.Errorf("%d accounts, want 51 with the older version", n)
	}
}

func wantCounts(t *testing.T, s *emulator.Server, want map[emulator.Op]int) {
	t.Helper()
	for _, op := range emulatorOps {
		if op == emulator.OpDiscovery {
			continue
		}
		if got := s.Count(op); got != want[op] {
			t.Errorf("%d requests to %s, want %d", got, op, want[op])
		}
	}
}

func TestEveryEnabledVersionIsAnAccount(t *testing.T) {
	s := start(t, emulator.Options{})
	var keys []emulator.Key
	for range 3 {
		keys = append(keys, createKey(t, s, "treasury", emulator.KeyOptions{Tags: map[string]string{"team": "ops"}}))
	}
	off := createKey(t, s, "treasury", emulator.KeyOptions{Disabled: true})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	if n := len(v.Accounts()); n != 3 {
		t.Fatalf("%d accounts, want 3", n)
	}
	for _, key := range keys {
		account := accountOf(t, v, addressOf(key))
		if account.Version != key.Version || account.Key != "treasury" || account.Vault != "kv-prod" || account.Tags["team"] != "ops" {
			t.Errorf("got %+v, want version %s", account, key.Version)
		}
		mustSign(t, t.Context(), v, account, common.Hash{7})
	}
	if i := slices.IndexFunc(v.held.Load().skipped, func(s *Skipped) bool { return s.Version == off.Version }); i < 0 {
		t.Error("the disabled version was not reported")
	}
}

func TestSkippedKeysAreLoggedOnceWithTheReason(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "good", emulator.KeyOptions{})
	for name, c := range map[string]struct {
		opts emulator.KeyOptions
		want string
	}{
		"rsa":      {emulator.KeyOptions{Curve: "RSA"}, "is not an elliptic-curve key"},
		"p256":     {emulator.KeyOptions{Curve: "P-256"}, "is on curve P-256, want P-256K"},
		"disabled": {emulator.KeyOptions{Disabled: true}, "is disabled"},
		"early":    {emulator.KeyOptions{NotBefore: time.Now().Add(time.Hour)}, "is not valid before"},
		"expired":  {emulator.KeyOptions{Expires: time.Now().Add(-time.Hour)}, "expired on"},
		"verify":   {emulator.KeyOptions{KeyOps: []string{"verify"}}, "has key operations without sign"},
		"managed":  {emulator.KeyOptions{Managed: true}, "belongs to a certificate"},
	} {
		createKey(t, s, name, c.opts)
		t.Cleanup(func() {})
		logs := &logBuffer{}
		cfg := config(t, s, "kv-prod")
		cfg.Logger = logs.logger()
		v := opened(t, cfg, fastTuning())
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(v.Accounts()) != 1 {
			t.Errorf("%s: %d accounts, want 1", name, len(v.Accounts()))
		}
		lines := 0
		for line := range strings.Lines(logs.String()) {
			if strings.Contains(line, "key skipped") && strings.Contains(line, "key="+name) && strings.Contains(line, c.want) {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("%s: %d lines with %q, want 1:\n%s", name, lines, c.want, logs)
		}
	}
}

func TestManagedKeysOnDemand(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "managed", emulator.KeyOptions{Managed: true})
	cfg := config(t, s, "kv-prod")
	cfg.IncludeManaged = true
	v := opened(t, cfg, fastTuning())
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
}

func TestExplicitKeysNeedNoListing(t *testing.T) {
	s := start(t, emulator.Options{})
	old := createKey(t, s, "treasury", emulator.KeyOptions{})
	current := createKey(t, s, "treasury", emulator.KeyOptions{})
	createKey(t, s, "payroll", emulator.KeyOptions{})
	for _, op := range []emulator.Op{emulator.OpList, emulator.OpVersions} {
		s.Inject(emulator.Fault{Op: op, Kind: emulator.FaultForbiddenRBAC})
	}
	for name, c := range map[string]struct {
		keys []string
		want []emulator.Key
	}{
		"by name":            {[]string{"Treasury"}, []emulator.Key{current}},
		"by version":         {[]string{"treasury/" + strings.ToUpper(old.Version)}, []emulator.Key{old}},
		"by both":            {[]string{"treasury", "treasury/" + old.Version}, []emulator.Key{current, old}},
		"one that is absent": {[]string{"treasury", "nobody"}, []emulator.Key{current}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, s, "kv-prod")
			cfg.Keys = c.keys
			v := opened(t, cfg, fastTuning())
			for range 2 {
				if len(v.Accounts()) != len(c.want) {
					t.Fatalf("got %v, want %d", v.Accounts(), len(c.want))
				}
				for _, key := range c.want {
					mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
				}
				if err := v.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestOpenFailsWhenNoKeyCanBeRead(t *testing.T) {
	s := start(t, emulator.Options{})
	cfg := config(t, s, "kv-prod")
	cfg.Keys = []string{"nobody"}
	_, err := open(t.Context(), cfg, fastTuning())
	if want := "key nobody is not in vault kv-prod"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestOneUnreadableKeyIsNoOutage(t *testing.T) {
	s := start(t, emulator.Options{})
	good := createKey(t, s, "good", emulator.KeyOptions{})
	createKey(t, s, "secret", emulator.KeyOptions{})
	s.Inject(emulator.Fault{Op: emulator.OpGet, Key: "secret", Kind: emulator.FaultForbiddenPolicy})
	logs := &logBuffer{}
	cfg := config(t, s, "kv-prod")
	cfg.Logger = logs.logger()
	v := opened(t, cfg, fastTuning())
	accountOf(t, v, addressOf(good))
	if len(v.Accounts()) != 1 || !strings.Contains(logs.String(), "key=secret") {
		t.Errorf("got %v and log %s", v.Accounts(), logs)
	}
}

func TestRefreshFollowsTheVault(t *testing.T) {
	s := start(t, emulator.Options{})
	stays := createKey(t, s, "stays", emulator.KeyOptions{})
	goes := createKey(t, s, "goes", emulator.KeyOptions{})
	off := createKey(t, s, "off", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	before := accountOf(t, v, addressOf(off))

	admin := v.clients.current.Load()
	if _, err := admin.DeleteKey(t.Context(), "goes", nil); err != nil {
		t.Fatal(err)
	}
	setEnabled(t, admin, "off", off.Version, false)
	fresh := createKey(t, s, "fresh", emulator.KeyOptions{})
	second := createKey(t, s, "stays", emulator.KeyOptions{})
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got, want []common.Address
	for _, account := range v.Accounts() {
		got = append(got, account.Address)
	}
	want = []common.Address{addressOf(fresh), addressOf(stays), addressOf(second)}
	slices.SortFunc(got, common.Address.Cmp)
	slices.SortFunc(want, common.Address.Cmp)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v; %s is gone", got, want, addressOf(goes))
	}
	if _, err := v.Sign(t.Context(), before, common.Hash{1}); asBackendError(t, err).Kind != backend.KindNotFound {
		t.Errorf("a disabled key: got %v", err)
	}
	setEnabled(t, admin, "off", off.Version, true)
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSign(t, t.Context(), v, accountOf(t, v, addressOf(off)), common.Hash{1})
}

func TestRefreshReadsNoSettledVersionAgain(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	tune := fastTuning()
	tune.settledAfter = -time.Hour // even what was made this second
	v := opened(t, config(t, s, "kv-prod"), tune)
	s.ResetCounts()
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, map[emulator.Op]int{emulator.OpList: 1, emulator.OpVersions: 1})
	if _, err := v.clients.current.Load().UpdateKey(t.Context(), "treasury", key.Version, azkeys.UpdateKeyParameters{
		Tags: map[string]*string{"team": to.Ptr("ops")},
	}, nil); err != nil {
		t.Fatal(err)
	}
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := accountOf(t, v, addressOf(key)).Tags["team"]; got != "ops" {
		t.Errorf("tag %q, want ops", got)
	}
}

func setEnabled(t *testing.T, client *azkeys.Client, name, version string, enabled bool) {
	t.Helper()
	_, err := client.UpdateKey(t.Context(), name, version, azkeys.UpdateKeyParameters{
		KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(enabled)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefreshKeepsAccountsThroughAnOutage(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	for _, fault := range []emulator.Fault{
		{Op: emulator.OpList, Kind: emulator.FaultUnavailable},
		{Op: emulator.OpVersions, Kind: emulator.FaultServerError},
		{Op: emulator.OpGet, Kind: emulator.FaultReset},
		{Op: emulator.OpList, Kind: emulator.FaultForbiddenFirewall},
		{Op: emulator.OpVersions, Kind: emulator.FaultForbiddenRBAC},
		{Op: emulator.OpList, Kind: emulator.FaultForeignNextLink},
	} {
		remove := s.Inject(fault)
		err := v.Refresh(t.Context())
		t.Logf("%s %s: %v", fault.Op, fault.Kind, err)
		remove()
		mustSign(t, t.Context(), v, accountOf(t, v, addressOf(key)), common.Hash{1})
	}
	if n := s.Count(emulator.OpForeign); n != 0 {
		t.Errorf("%d requests went to a foreign host", n)
	}
}

func TestForeignNextLinkIsRefusedWithoutAToken(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	s.Inject(emulator.Fault{Op: emulator.OpList, Kind: emulator.FaultForeignNextLink})
	_, err := open(t.Context(), config(t, s, "kv-prod"), fastTuning())
	if want := "refers to another host"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if n := s.Count(emulator.OpForeign); n != 0 {
		t.Errorf("%d requests went to a foreign host", n)
	}
}

func TestEmptyPagesAreFollowed(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	s.Inject(emulator.Fault{Op: emulator.OpList, Kind: emulator.FaultEmptyPage, Times: 2})
	s.Inject(emulator.Fault{Op: emulator.OpVersions, Kind: emulator.FaultEmptyPage, Times: 1})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	accountOf(t, v, addressOf(key))
}

// swapKey replaces the public key in the vault's answers to reads.
type swapKey struct {
	base http.RoundTripper
	x, y []byte
}

func (s *swapKey) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.base.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/keys/") || strings.HasSuffix(req.URL.Path, "/versions") || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for _, member := range []struct {
		name  string
		value []byte
	}{{"x", s.x}, {"y", s.y}} {
		before, after, ok := bytes.Cut(body, []byte(`"`+member.name+`":"`))
		if !ok {
			return nil, fmt.Errorf("no member %s in %s", member.name, body)
		}
		_, rest, _ := bytes.Cut(after, []byte(`"`))
		body = slices.Concat(before, []byte(`"`+member.name+`":"`+b64(member.value)+`"`), rest)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func TestAChangedPublicKeyIsRefusedAndThePinStays(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	logs := &logBuffer{}
	cfg := config(t, s, "kv-prod")
	cfg.Logger = logs.logger()
	v := opened(t, cfg, fastTuning())
	account := accountOf(t, v, addressOf(key))

	other, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	public := crypto.FromECDSAPub(&other.PublicKey)
	v.transport.vault.Transport = &swapKey{v.transport.vault.Transport, public[1:33], public[33:]}
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.Accounts(); len(got) != 1 || got[0].PublicKey != account.PublicKey {
		t.Fatalf("got %v, want the pinned key", got)
	}
	if !strings.Contains(logs.String(), "level=ERROR") || !strings.Contains(logs.String(), crypto.PubkeyToAddress(other.PublicKey).Hex()) {
		t.Errorf("the change was not reported loudly: %s", logs)
	}
	mustSign(t, t.Context(), v, account, common.Hash{1})
}

func TestDiscoveryStopsWithItsContext(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	s.Inject(emulator.Fault{Op: emulator.OpVersions, Kind: emulator.FaultSlow, Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	asBackendError(t, v.Refresh(ctx))
	if len(v.Accounts()) != 1 {
		t.Error("the account is gone")
	}
}
