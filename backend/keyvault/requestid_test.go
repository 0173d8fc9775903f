package keyvault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// emulatorLog is the emulator's own account of the requests it has served.
type emulatorLog struct{ logBuffer }

func (l *emulatorLog) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// signs returns the ids of the requests for a signature, in their order.
func (l *emulatorLog) signs(t testing.TB) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(l.String()) {
		var served struct{ Path, Request string }
		if err := json.Unmarshal([]byte(line), &served); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(served.Path, "/sign") {
			ids = append(ids, served.Request)
		}
	}
	return ids
}

// last returns the id of the latest request for a signature.
func (l *emulatorLog) last(t testing.TB) string {
	t.Helper()
	ids := l.signs(t)
	if len(ids) == 0 || len(ids[len(ids)-1]) != 36 {
		t.Fatalf("ids %q, want UUIDs", ids)
	}
	return ids[len(ids)-1]
}

func TestSignedNamesKeyAndRequest(t *testing.T) {
	for name, flavor := range map[string]emulator.Flavor{"Key Vault": emulator.KeyVault, "Managed HSM": emulator.ManagedHSM} {
		t.Run(name, func(t *testing.T) {
			var served emulatorLog
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod", Flavor: flavor}}, Logger: served.logger()})
			key := createKey(t, s, "treasury", emulator.KeyOptions{})
			cfg := config(t, s, "kv-prod")
			cfg.Name = "main"
			v := opened(t, cfg, defaultTuning())
			account := accountOf(t, v, addressOf(key))
			forget(t, v) // the first signature meets Entra, whose ids are not the vault's
			for i := range 3 {
				digest := common.Hash{byte(i)}
				signed, err := v.Sign(t.Context(), account, digest)
				if err != nil {
					t.Fatal(err)
				}
				checkSignature(t, signed.Signature, account.Address, digest)
				want := backend.Signed{Signature: signed.Signature, Vault: "main", Key: "treasury", Version: key.Version, RequestID: served.last(t)}
				if signed != want {
					t.Errorf("got %+v, want %+v", signed, want)
				}
			}
			if n := s.Count(emulator.OpSign); n != 3 {
				t.Errorf("%d requests for 3 signatures", n)
			}
		})
	}
}

func TestFailuresNameTheLastRequest(t *testing.T) {
	unanswered := map[emulator.FaultKind]bool{emulator.FaultSlow: true, emulator.FaultReset: true, emulator.FaultLostReply: true}
	for _, c := range faultCases() {
		t.Run(c.fault.Kind.String(), func(t *testing.T) {
			var served emulatorLog
			var told logBuffer
			s := start(t, emulator.Options{Logger: served.logger()})
			key := createKey(t, s, "treasury", emulator.KeyOptions{})
			cfg := faultConfig(t, s, c.fault.Kind)
			cfg.Logger = told.logger()
			v := opened(t, cfg, fastTuning())
			s.Inject(c.fault)
			_, err := v.Sign(t.Context(), accountOf(t, v, addressOf(key)), common.Hash{1})
			failure := asBackendError(t, err)
			if unanswered[c.fault.Kind] {
				if failure.RequestID != "" {
					t.Errorf("got id %q of a request without an answer", failure.RequestID)
				}
				return
			}
			if want := served.last(t); failure.RequestID != want {
				t.Errorf("got id %q, want %q (of %q)", failure.RequestID, want, served.signs(t))
			}
			if line := "request=" + failure.RequestID; !strings.Contains(told.String(), line) {
				t.Errorf("the log lacks %s:\n%s", line, told.String())
			}
		})
	}
}

// TestAnUnansweredRequestHasNoID gets an answer first, and then none: the id of
// the answer would point to the wrong request.
func TestAnUnansweredRequestHasNoID(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	tune := fastTuning()
	tune.attempts = 1 // the SDK alone sends again
	v := opened(t, faultConfig(t, s, 0), tune)
	s.ResetCounts()
	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultUnauthorized, Times: 1})
	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultLostReply})
	_, err := v.Sign(t.Context(), accountOf(t, v, addressOf(key)), common.Hash{1})
	if failure := asBackendError(t, err); failure.RequestID != "" || failure.NotSigned {
		t.Errorf("got %+v", failure)
	}
	if n := s.Count(emulator.OpSign); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestWhatTheVaultWasNotAskedHasNoID(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, faultConfig(t, s, 0), fastTuning())
	account := accountOf(t, v, addressOf(key))
	other := account
	other.Version = strings.Repeat("0", 32)
	if _, err := v.Sign(t.Context(), other, common.Hash{1}); asBackendError(t, err).RequestID != "" {
		t.Errorf("got id %q, want none: no such key", asBackendError(t, err).RequestID)
	}
	forget(t, v)
	s.Inject(emulator.Fault{Op: emulator.OpToken, Kind: emulator.FaultUnauthorized})
	if _, err := v.Sign(t.Context(), account, common.Hash{1}); asBackendError(t, err).RequestID != "" {
		t.Errorf("got id %q, want none: there was no token", asBackendError(t, err).RequestID)
	}
}

// TestATokensFailureHasNoID has a request answered before the token is gone.
func TestATokensFailureHasNoID(t *testing.T) {
	seen, id := sentWithToken(), "of the request before"
	seen.id.Store(&id)
	v := testVault(false)
	if f := v.classify(t.Context(), v.listing(), &tokenError{}, seen); f.RequestID != "" {
		t.Errorf("got id %q", f.RequestID)
	}
	if f := v.classify(t.Context(), v.listing(), errors.New("broke off"), seen); f.RequestID != id {
		t.Errorf("got id %q, want %q", f.RequestID, id)
	}
}

// TestTheRequestOfTheVaultThatSigned has the same key in two vaults.
func TestTheRequestOfTheVaultThatSigned(t *testing.T) {
	var served emulatorLog
	s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-one"}, {Name: "kv-two"}}, Logger: served.logger()})
	private, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	address := crypto.PubkeyToAddress(private.PublicKey)
	var vaults []backend.Vault
	versions := map[string]string{}
	for _, c := range []struct{ vault, key string }{{"kv-one", "treasury"}, {"kv-two", "treasury-copy"}} {
		key, err := s.ImportKey(c.vault, c.key, private)
		if err != nil {
			t.Fatal(err)
		}
		versions[c.vault] = key.Version
		vaults = append(vaults, opened(t, config(t, s, c.vault), fastTuning()))
	}
	keyring := backend.NewKeyring(time.Hour, vaults...)
	sign := func() (backend.Signed, error) { return keyring.Sign(t.Context(), address, common.Hash{1}) }
	check := func(vault, key string) {
		t.Helper()
		signed, err := sign()
		if err != nil {
			t.Fatal(err)
		}
		checkSignature(t, signed.Signature, address, common.Hash{1})
		want := backend.Signed{Signature: signed.Signature, Vault: vault, Key: key, Version: versions[vault], RequestID: served.last(t)}
		if signed != want {
			t.Errorf("got %+v, want %+v", signed, want)
		}
	}
	check("kv-one", "treasury")
	for _, kind := range []emulator.FaultKind{emulator.FaultForbiddenRBAC, emulator.FaultThrottled, emulator.FaultWrongSignature, emulator.FaultLostReply} {
		remove := s.Inject(emulator.Fault{Op: emulator.OpSign, Key: "treasury", Kind: kind})
		check("kv-two", "treasury-copy")
		remove()
	}
	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultForbiddenRBAC})
	_, err = sign()
	if failure := asBackendError(t, err); failure.RequestID != served.last(t) {
		t.Errorf("got %+v, want the request of the vault asked last, %s", failure, served.last(t))
	}
}

// idChanger is a peer that answers with request ids of its choice.
type idChanger struct {
	base http.RoundTripper
	id   string
}

func (c idChanger) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(req)
	if err == nil {
		resp.Header.Set("X-Ms-Request-Id", c.id)
	}
	return resp, err
}

func TestHostileRequestIDs(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, faultConfig(t, s, 0), fastTuning())
	account := accountOf(t, v, addressOf(key))
	for given, want := range map[string]string{
		"":                                     "",
		"0b7a7e42-6c1f-4f0e-9f57-2f0a6b1c9d3e": "0b7a7e42-6c1f-4f0e-9f57-2f0a6b1c9d3e",
		"a b\tc\r\nd\x00\x1b[31m":              "a?b?c??d??[31m",
		"\xff\u202eabc":                        "??abc",
		strings.Repeat("x", 1<<20):             strings.Repeat("x", 64),
		strings.Repeat("x", 63) + "é":          strings.Repeat("x", 63) + "?",
	} {
		v.transport.vault.Transport = bounded{idChanger{v.transport.base, given}}
		signed, err := v.Sign(t.Context(), account, common.Hash{1})
		if err != nil || signed.RequestID != want {
			t.Errorf("%.80q: got %q, %v, want %q", given, signed.RequestID, err, want)
		}
		remove := s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultForbiddenRBAC})
		_, err = v.Sign(t.Context(), account, common.Hash{1})
		if failure := asBackendError(t, err); failure.RequestID != want {
			t.Errorf("%.80q: got %q, want %q", given, failure.RequestID, want)
		}
		remove()
	}
}

func FuzzRequestID(f *testing.F) {
	for _, id := range []string{"", "0b7a7e42-6c1f-4f0e-9f57-2f0a6b1c9d3e", "a\r\nb", "\xff\u202e", strings.Repeat("é", 64)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		got := requestID(http.Header{"X-Ms-Request-Id": {id}})
		if len(got) > 64 || bytes.ContainsFunc([]byte(got), func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q is not at most 64 visible ASCII characters", got)
		}
		if (got == "") != (id == "") {
			t.Fatalf("%q became %q", id, got)
		}
	})
}

// answers gives every request an answer with the same id.
type answers string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Ms-Request-Id": {string(a)}}, Body: http.NoBody}, nil
}

func TestEntrasIDsAreNotTheVaults(t *testing.T) {
	for token, want := range map[string]string{"": "", "Bearer x": "id"} {
		seen := &trace{}
		req, err := http.NewRequestWithContext(context.WithValue(t.Context(), traceKey{}, seen), http.MethodPost, "https://login.microsoftonline.com/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		resp, err := bounded{answers("id")}.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if got := seen.requestID(); got != want {
			t.Errorf("with token %q: got %q, want %q", token, got, want)
		}
	}
}
