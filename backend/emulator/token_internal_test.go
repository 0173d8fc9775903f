package emulator

import (
	"strings"
	"testing"
	"time"
)

// TestTokenOfAnotherTenant: no caller can make one, since it takes the key.
func TestTokenOfAnotherTenant(t *testing.T) {
	ours, err := newTokenIssuer("ours", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	theirs := &tokenIssuer{tenant: "theirs", lifetime: time.Hour, key: ours.key, keyID: ours.keyID}
	token, _, err := theirs.issue("client", "https://vault.azure.net")
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.check(token, "https://vault.azure.net"); err == nil || !strings.Contains(err.Error(), "AKV10032") {
		t.Errorf("accepted: %v", err)
	}
}
