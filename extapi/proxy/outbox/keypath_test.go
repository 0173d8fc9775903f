package outbox

import (
	"context"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// as returns the context of a caller's requests.
func as(t *testing.T, principal string) context.Context {
	t.Helper()
	return extapi.WithCaller(t.Context(), rules.Caller{Transport: "http"}, principal)
}

// TestKeysOfCallers: callers with names have keys of their own, and those without
// share theirs.
func TestKeysOfCallers(t *testing.T) {
	w := newWorld(t, nil)
	hashes := make(map[string]string)
	for i, principal := range []string{"payments.example", "treasury.example", extapi.Anonymous} {
		hash, err := w.Send(as(t, principal), w.transfer(t, i+1), principal+" 7")
		if err != nil {
			t.Fatalf("%s: %v", principal, err)
		}
		hashes[principal] = hash.String()
	}
	w.restart(t)
	// The key of the first, used by each for what it has sent.
	for i, principal := range []string{"payments.example", "treasury.example"} {
		hash, err := w.Send(as(t, principal), w.transfer(t, i+1), "payments.example 7")
		if err != nil || (hash.String() == hashes["payments.example"]) != (i == 0) {
			t.Errorf("%s gets %v, %v", principal, hash, err)
		}
	}
	if n := w.vault.signatures(); n != 4 {
		t.Errorf("%d signatures", n)
	}
	if _, err := w.Send(as(t, ""), w.transfer(t, 9), "anonymous 7"); err == nil || !strings.Contains(err.Error(), "another request") {
		t.Errorf("nobody has a key of its own: %v", err)
	}
}

// TestKeysBeforeCallersHadNames: the retry of an anonymous request is known as one
// when its caller has a name by then.
func TestKeysBeforeCallersHadNames(t *testing.T) {
	w := newWorld(t, nil)
	first, err := w.Send(as(t, extapi.Anonymous), w.transfer(t, 1), "invoice 7")
	if err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	again, err := w.Send(as(t, "payments.example"), w.transfer(t, 1), "invoice 7")
	if err != nil || again != first || w.vault.signatures() != 1 {
		t.Errorf("%v after %v, %v, %d signatures", again, first, err, w.vault.signatures())
	}
	if _, err := w.Send(as(t, "payments.example"), w.transfer(t, 2), "invoice 7"); err == nil || !strings.Contains(err.Error(), "another request") {
		t.Errorf("another request with it: %v", err)
	}
}
