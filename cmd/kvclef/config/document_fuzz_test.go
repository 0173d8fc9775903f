package config

import (
	"strings"
	"testing"
)

// FuzzDocument: a document of a hosted service is read whole and strictly, as YAML
// too, and no error shows its secret.
func FuzzDocument(f *testing.F) {
	const secret = "Zx8Q~planted-secret"
	for _, text := range []string{
		`{"name":"a","service":"cloudhsm","details":{"cloudhsm_id":"x","chain_ids":[1]}}`,
		"name: a\ndetails:\n  user_secret: SECRET\n", "a: &a [*a]", "- - - -", "details: {user_secret: {SECRET: 1}}", "\x00", "{", "name: 1e400", "details: {user_secret: [SECRET]}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := []byte(strings.ReplaceAll(string(data), "SECRET", secret))
		var service HostedService
		if err := parseDocument("x", text, &service); err == nil {
			_ = service.check()
		}
		var document HostedDocument
		if err := parseDocument("x", text, &document); err == nil {
			_, err = document.Vault()
			if err != nil && strings.Contains(err.Error(), secret) && strings.Count(string(text), secret) == strings.Count(string(text), "user_secret: "+secret) {
				t.Errorf("shown: %v", err)
			}
		}
	})
}
