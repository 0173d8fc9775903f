package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/webhook"
	"github.com/kvclef/kvclef/extapi/console"
)

// TestConfigurationsPrintNoSecrets: what holds a secret as text says what it is, under
// any verb, and no more.
func TestConfigurationsPrintNoSecrets(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	kept := func() string { return secret }
	for _, value := range []any{
		webhook.Hook{URL: "https://hooks.example/" + secret, Secret: kept},
		[]webhook.Hook{{Secret: kept}},
		console.OIDC{Issuer: "https://issuer.example", ClientSecret: kept},
		&console.OIDC{ClientSecret: kept},
		config.HostedVault{VaultName: "kv", UserSecret: secret},
		config.HostedDocument{Details: config.HostedVault{UserSecret: secret}},
	} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("it", "value", value)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if said := fmt.Sprintf(verb, value) + log.String(); strings.Contains(said, secret) || strings.Contains(said, "68756e74657232") {
				t.Errorf("%T prints %q", value, said)
			}
		}
	}
}
