package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretNeverPrints under any verb and encoding.
func TestSecretNeverPrints(t *testing.T) {
	text := strings.Repeat("7a", secretSize)
	secret, err := NewSecret(text, "node")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Secret: func() *Secret { return secret }}
	tokens, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("it", "secret", secret, "value", *secret, "config", cfg)
	slog.New(slog.NewTextHandler(&log, nil)).Info("it", "secret", secret, "value", *secret, "config", cfg)
	told := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		told = append(told, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, *secret), fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, tokens))
	}
	encoded, err := json.Marshal(map[string]any{"secret": secret, "config": *secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range append(told, string(encoded)) {
		if strings.Contains(said, "7a7a") || strings.Contains(said, "zzzz") || strings.Contains(said, "122 122") || strings.Contains(said, "0x7a, ") || strings.Contains(said, "enp6") {
			t.Errorf("the secret is in %q", said)
		}
	}
}
