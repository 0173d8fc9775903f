package keyvault

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestADeletedKeyIsNoAccount: also when the configuration names no other.
func TestADeletedKeyIsNoAccount(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	for _, keys := range [][]string{nil, {"treasury"}, {"treasury/" + key.Version}, {"treasury", "treasury/" + key.Version}} {
		cfg := config(t, s, "kv-prod")
		cfg.Keys = keys
		v := opened(t, cfg, fastTuning())
		account := accountOf(t, v, addressOf(key))
		admin := v.clients.current.Load()
		if _, err := admin.DeleteKey(t.Context(), "treasury", nil); err != nil {
			t.Fatal(err)
		}
		if err := v.Refresh(t.Context()); err != nil || len(v.Accounts()) != 0 {
			t.Errorf("%v: got %v and the accounts %v", keys, err, v.Accounts())
		}
		if _, err := admin.RecoverDeletedKey(t.Context(), "treasury", nil); err != nil {
			t.Fatal(err)
		}
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatalf("%v: %v", keys, err)
		}
		mustSign(t, t.Context(), v, account, common.Hash{1})
	}
}

// TestAPageIsNoVault: a 404 of something that stands in front of the vault does not
// say that a key was deleted.
func TestAPageIsNoVault(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	for _, keys := range [][]string{nil, {"treasury"}, {"treasury/" + key.Version}} {
		cfg := config(t, s, "kv-prod")
		cfg.Keys = keys
		v := opened(t, cfg, fastTuning())
		account := accountOf(t, v, addressOf(key))
		base := v.transport.vault.Transport
		for _, path := range []string{"/keys/treasury", "/versions"} {
			v.transport.vault.Transport = &notThere{base, path}
			t.Logf("%v %s: %v", keys, path, v.Refresh(t.Context()))
			mustSign(t, t.Context(), v, account, common.Hash{1})
		}
	}
}

// notThere answers reads whose path has some part with a page.
type notThere struct {
	base http.RoundTripper
	path string
}

func (n *notThere) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.base.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet && strings.Contains(req.URL.Path, n.path) {
		err = resp.Body.Close()
		resp.StatusCode, resp.Header = http.StatusNotFound, http.Header{"Content-Type": {"text/html"}}
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader("<html>not here</html>")), -1
	}
	return resp, err
}
