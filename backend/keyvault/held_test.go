package keyvault

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// TestWhatCanNotBeRead: the vault's own word that a version is gone or disabled ends
// the account, and nothing else does.
func TestWhatCanNotBeRead(t *testing.T) {
	v, id := testVault(false), identifier{"treasury", someVersion}
	known := index([]*entry{{account: backend.Account{Key: id.name, Version: id.version}}}, nil, &holdings{})
	for name, c := range map[string]struct {
		err   error
		kind  SkipKind
		stays bool
	}{
		"gone":               {response(404, errorBody("KeyNotFound", "", "x"), nil), SkipGone, false},
		"a page":             {response(404, "<html>no</html>", nil), SkipError, true},
		"disabled":           {response(403, errorBody("Forbidden", "KeyDisabled", "x"), nil), SkipDisabled, false},
		"disabled by text":   {response(403, errorBody("Forbidden", "", "Operation get is not allowed on a disabled key."), nil), SkipDisabled, false},
		"no role":            {response(403, errorBody("Forbidden", "ForbiddenByRbac", "x"), nil), SkipError, true},
		"disabled, says 500": {response(500, errorBody("InternalServerError", "KeyDisabled", "x"), nil), SkipError, true},
		"no answer":          {io.ErrUnexpectedEOF, SkipError, true},
	} {
		e, skipped, _ := v.unread(id, known, c.err)
		if skipped == nil || skipped.Kind != c.kind || (e != nil) != c.stays {
			t.Errorf("%s: stays %v, skipped %+v", name, e != nil, skipped)
		}
	}
}

// bundleOf is the vault's answer about a key that can be an account.
func bundleOf(t *testing.T) azkeys.KeyBundle {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("treasury")))
	if err != nil {
		t.Fatal(err)
	}
	public := crypto.FromECDSAPub(&key.PublicKey)
	return azkeys.KeyBundle{
		Key: &azkeys.JSONWebKey{
			KID: to.Ptr(azkeys.ID("https://kv-prod.vault.azure.net/keys/treasury/" + someVersion)), Kty: to.Ptr(azkeys.KeyTypeEC),
			Crv: to.Ptr(azkeys.CurveNameP256K), KeyOps: signAndVerify(), X: public[1:33], Y: public[33:],
		},
		Attributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true)},
	}
}

// TestAccountsAreOfWhatWasAsked: an answer about another key makes no account, and none
// about a key that can't sign now.
func TestAccountsAreOfWhatWasAsked(t *testing.T) {
	now := time.Now()
	kid := func(path string) func(*azkeys.KeyBundle) {
		return func(b *azkeys.KeyBundle) {
			b.Key.KID = to.Ptr(azkeys.ID("https://kv-prod.vault.azure.net/keys/" + path))
		}
	}
	for name, c := range map[string]struct {
		change func(*azkeys.KeyBundle)
		kind   SkipKind
		good   bool
	}{
		"as asked":         {func(*azkeys.KeyBundle) {}, 0, true},
		"in capitals":      {kid("TREASURY/" + strings.ToUpper(someVersion)), 0, true},
		"valid since now":  {func(b *azkeys.KeyBundle) { b.Attributes.NotBefore = &now }, 0, true},
		"of another key":   {kid("other/" + someVersion), SkipError, false},
		"another version":  {kid("treasury/" + strings.Repeat("0", 32)), SkipError, false},
		"no version":       {kid("treasury"), SkipError, false},
		"no identifier":    {func(b *azkeys.KeyBundle) { b.Key.KID = nil }, SkipError, false},
		"of a certificate": {func(b *azkeys.KeyBundle) { b.Managed = to.Ptr(true) }, SkipManaged, false},
		"RSA":              {func(b *azkeys.KeyBundle) { b.Key.Kty = to.Ptr(azkeys.KeyTypeRSA) }, SkipType, false},
		"another curve":    {func(b *azkeys.KeyBundle) { b.Key.Crv = to.Ptr(azkeys.CurveNameP256) }, SkipCurve, false},
		"disabled":         {func(b *azkeys.KeyBundle) { b.Attributes.Enabled = to.Ptr(false) }, SkipDisabled, false},
		"nothing about it": {func(b *azkeys.KeyBundle) { b.Attributes = nil }, SkipDisabled, false},
		"not valid yet":    {func(b *azkeys.KeyBundle) { b.Attributes.NotBefore = to.Ptr(now.Add(1)) }, SkipValidity, false},
		"expires now":      {func(b *azkeys.KeyBundle) { b.Attributes.Expires = &now }, SkipValidity, false},
		"verifies alone":   {func(b *azkeys.KeyBundle) { b.Key.KeyOps = b.Key.KeyOps[1:] }, SkipRights, false},
		"not on the curve": {func(b *azkeys.KeyBundle) { b.Key.X = b.Key.Y }, SkipError, false},
	} {
		bundle := bundleOf(t)
		c.change(&bundle)
		e, skipped := newEntry("kv-prod", identifier{"treasury", someVersion}, bundle, false, now)
		switch {
		case c.good && (skipped != nil || e == nil || !strings.EqualFold(e.account.Version, someVersion)):
			t.Errorf("%s: %+v, %+v", name, e, skipped)
		case !c.good && (skipped == nil || skipped.Kind != c.kind):
			t.Errorf("%s: %+v, %+v", name, e, skipped)
		}
	}
	bundle := bundleOf(t)
	kid("treasury")(&bundle)
	if _, skipped := newEntry("kv-prod", identifier{name: "treasury"}, bundle, false, now); skipped == nil {
		t.Error("an account without a version")
	}
}

// TestWhatIsReadAgain: a listing that shows a version otherwise than it was read.
func TestWhatIsReadAgain(t *testing.T) {
	at := time.Now()
	e := entry{account: backend.Account{Tags: map[string]string{"team": "ops"}}, updated: at, expires: at, settled: true}
	for name, c := range map[string]struct {
		change func(*entry, *azkeys.KeyProperties)
		same   bool
	}{
		"the same":         {func(*entry, *azkeys.KeyProperties) {}, true},
		"of late":          {func(e *entry, _ *azkeys.KeyProperties) { e.settled = false }, false},
		"changed":          {func(_ *entry, p *azkeys.KeyProperties) { p.Attributes.Updated = to.Ptr(at.Add(1)) }, false},
		"expires later":    {func(_ *entry, p *azkeys.KeyProperties) { p.Attributes.Expires = to.Ptr(at.Add(1)) }, false},
		"expires no more":  {func(_ *entry, p *azkeys.KeyProperties) { p.Attributes.Expires = nil }, false},
		"another tag":      {func(_ *entry, p *azkeys.KeyProperties) { p.Tags["team"] = to.Ptr("dev") }, false},
		"no tags":          {func(_ *entry, p *azkeys.KeyProperties) { p.Tags = nil }, false},
		"nothing about it": {func(_ *entry, p *azkeys.KeyProperties) { p.Attributes = nil }, false},
	} {
		known := e
		listed := &azkeys.KeyProperties{Attributes: &azkeys.KeyAttributes{Updated: &at, Expires: &at}, Tags: map[string]*string{"team": to.Ptr("ops")}}
		c.change(&known, listed)
		if known.unchanged(listed) != c.same {
			t.Errorf("%s: read again is %v", name, c.same)
		}
	}
}

// TestOlderVersionsComeAndGo: one that is enabled again is an account again, and one that
// expires is none any more, though nothing in the vault has changed.
func TestOlderVersionsComeAndGo(t *testing.T) {
	s := start(t, emulator.Options{})
	old := createKey(t, s, "treasury", emulator.KeyOptions{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	expired := createKey(t, s, "expired", emulator.KeyOptions{Expires: time.Now().Add(-time.Hour)})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	refresh := func(want int) {
		t.Helper()
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(v.Accounts()); n != want {
			t.Errorf("%d accounts, want %d", n, want)
		}
	}
	admin := v.clients.current.Load()
	setEnabled(t, admin, "treasury", old.Version, false)
	refresh(1)
	setEnabled(t, admin, "treasury", old.Version, true)
	refresh(2)

	versions, err := v.versions(t.Context(), "expired")
	if err != nil || len(versions) != 1 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	known := &entry{account: backend.Account{Address: addressOf(expired), Vault: "kv-prod", Key: "expired", Version: expired.Version}, settled: true}
	known.updated, known.expires = *versions[0].Attributes.Updated, *versions[0].Attributes.Expires
	if !known.unchanged(versions[0]) {
		t.Fatal("the version seems to have changed")
	}
	v.held.Store(v.held.Load().with(known))
	refresh(2)
}

// TestVersionsThatCanNotBeListedStay: an outage of one key takes no account away.
func TestVersionsThatCanNotBeListedStay(t *testing.T) {
	s := start(t, emulator.Options{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	createKey(t, s, "treasury", emulator.KeyOptions{})
	createKey(t, s, "other", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	s.Inject(emulator.Fault{Op: emulator.OpVersions, Key: "treasury", Kind: emulator.FaultServerError})
	if err := v.Refresh(t.Context()); err != nil || len(v.Accounts()) != 3 || len(v.Unread()) == 0 {
		t.Errorf("%v, %d accounts, unread %v", err, len(v.Accounts()), v.Unread())
	}
}

// TestNamesAreTakenUnlessTheVaultSaysOtherwise: a key of an existing name would get a new
// version, and its name another address.
func TestNamesAreTakenUnlessTheVaultSaysOtherwise(t *testing.T) {
	for _, kind := range []emulator.FaultKind{emulator.FaultForbiddenRBAC, emulator.FaultForbiddenHTML, emulator.FaultServerError, emulator.FaultUnauthorized} {
		s := start(t, emulator.Options{})
		createKey(t, s, "treasury", emulator.KeyOptions{})
		v := opened(t, config(t, s, "kv-prod"), fastTuning())
		s.ResetCounts()
		s.Inject(emulator.Fault{Op: emulator.OpGet, Kind: kind})
		if account, err := v.Create(t.Context(), "treasury", false); err == nil || s.Count(emulator.OpCreate) != 0 {
			t.Errorf("%s: made %s, %v, by %d requests", kind, account.Address, err, s.Count(emulator.OpCreate))
		}
	}
}

// TestImportsAreWhatWasImported, or are no accounts.
func TestImportsAreWhatWasImported(t *testing.T) {
	v, id := testVault(false), identifier{name: "treasury"}
	v.reading = make(chan struct{}, 1)
	v.reading <- struct{}{}
	v.held.Store(&holdings{})
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("treasury")))
	if err != nil {
		t.Fatal(err)
	}
	want := [65]byte(crypto.FromECDSAPub(&key.PublicKey))
	other := want
	other[64] ^= 1
	if _, err := v.adopt(t.Context(), id, bundleOf(t), &other); err == nil || len(v.Accounts()) != 0 {
		t.Errorf("another key was taken: %v", err)
	}
	if _, err := v.adopt(t.Context(), id, bundleOf(t), &want); err != nil || len(v.Accounts()) != 1 {
		t.Errorf("the key was not taken: %v", err)
	}
}

// answering answers requests of a method, which the vault has done, with another body.
type answering struct {
	base         http.RoundTripper
	method, body string
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.base.RoundTrip(req)
	if err != nil || req.Method != a.method || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	err = resp.Body.Close()
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(a.body)), int64(len(a.body))
	return resp, err
}

// TestDisabledIsWhatTheVaultSaysIs: nobody is told that a key is out of use when it may not
// be; once it is, it is no account, however its name was written.
func TestDisabledIsWhatTheVaultSaysIs(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	base := v.transport.vault.Transport
	for _, body := range []string{`{}`, `{"attributes":{}}`, `{"attributes":{"enabled":true}}`} {
		v.transport.vault.Transport = answering{base, http.MethodPatch, body}
		if err := v.Disable(t.Context(), "treasury", key.Version); err == nil || len(v.Accounts()) != 1 {
			t.Errorf("%s: %v, %d accounts", body, err, len(v.Accounts()))
		}
	}
	v.transport.vault.Transport = base
	if err := v.Disable(t.Context(), "TREASURY", strings.ToUpper(key.Version)); err != nil || len(v.Accounts()) != 0 {
		t.Errorf("%v, %d accounts", err, len(v.Accounts()))
	}
}
