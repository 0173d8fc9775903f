package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestResolveCredentials(t *testing.T) {
	t.Parallel()
	cfg, err := Parse("kvclef.yaml", []byte(`
rules: {file: "${CREDENTIALS_DIRECTORY}/rules.js"}
listeners: {http: {jwt: {secret_file: "${CREDENTIALS_DIRECTORY}/secret_jwt"}, tls: {key_file: "/etc/${CREDENTIALS_DIRECTORY}/key", cert_file: "${CREDENTIALS_DIRECTORY}"}}}
store: {postgres: {dsn_file: "${CREDENTIALS_DIRECTORY}/secret_dsn"}}
approvals: {webhooks: [{url: "https://a.example", secret_file: "${CREDENTIALS_DIRECTORY}/secret_hook"}], console: {oidc: {client_secret_file: "${CREDENTIALS_DIRECTORY}/secret_console"}}}
proxy: {node_file: "${CREDENTIALS_DIRECTORY}/secret_node"}
vaults:
  - url: https://a.vault.azure.net
    credential: {kind: client-secret, secret_file: "${CREDENTIALS_DIRECTORY}/../secret_a"}
`))
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		return strings.Join([]string{
			cfg.Rules.File, cfg.Listeners.HTTP.JWT.SecretFile, cfg.Listeners.HTTP.TLS.KeyFile, cfg.Listeners.HTTP.TLS.CertFile, cfg.Store.Postgres.DSNFile,
			cfg.Approvals.Webhooks[0].SecretFile, cfg.Approvals.Console.OIDC.ClientSecretFile, cfg.Proxy.NodeFile, cfg.Vaults[0].Credential.SecretFile,
		}, " ")
	}
	before := read()
	for _, folder := range []string{"", "relative"} {
		if cfg.ResolveCredentials(folder); read() != before {
			t.Errorf("folder %q: got %s", folder, read())
		}
	}
	if !NeedsCredentials(before) {
		t.Error("what is not resolved is not seen")
	}
	cfg.ResolveCredentials("/run/credentials/kvclef.service")
	const in = "/run/credentials/kvclef.service/"
	want := strings.Join([]string{
		"${CREDENTIALS_DIRECTORY}/rules.js", in + "secret_jwt", "/etc/${CREDENTIALS_DIRECTORY}/key", "${CREDENTIALS_DIRECTORY}", in + "secret_dsn",
		in + "secret_hook", in + "secret_console", in + "secret_node", "/run/credentials/secret_a",
	}, " ")
	if read() != want {
		t.Errorf("got  %s\nwant %s", read(), want)
	}
}

// TestNoFileInAMap: settings in maps would not be resolved.
func TestNoFileInAMap(t *testing.T) {
	t.Parallel()
	files := 0
	var look func(kind reflect.Type, hidden bool)
	look = func(kind reflect.Type, hidden bool) {
		switch kind.Kind() {
		case reflect.Map, reflect.Pointer:
			look(kind.Elem(), true)
		case reflect.Slice:
			look(kind.Elem(), hidden)
		case reflect.Struct:
			for i := range kind.NumField() {
				field := kind.Field(i)
				if strings.HasSuffix(field.Tag.Get("yaml"), "_file") {
					files++
					if hidden {
						t.Errorf("%s.%s is in a map", kind, field.Name)
					}
				}
				look(field.Type, hidden)
			}
		}
	}
	look(reflect.TypeFor[Config](), false)
	if files < 15 {
		t.Errorf("%d settings are files", files)
	}
}
