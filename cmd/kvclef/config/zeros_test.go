package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestEveryZero writes 0 for each number of the configuration: it is refused, or the page
// says what it stands for. A default is never taken for it.
func TestEveryZero(t *testing.T) {
	meant := []string{
		"refresh_interval", "limits.repeat", "approvals.default.wait", // never, and not at all
		"listeners.http.port", "proxy.port", "metrics.port", // any free one
		"proxy.tx_fee_cap", "tracing.sample", // no bound, and none
		"approvals.people.NAME.uid", // root's
	}
	numbers := 0
	for key, typ := range valuesOf(reflect.TypeFor[Config](), "") {
		if typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		zero := "0"
		switch {
		case typ.PkgPath() == "time":
			zero = "0s"
		case !typ.ConvertibleTo(reflect.TypeFor[float64]()):
			continue // no number
		}
		numbers++
		text := written(key, zero)
		switch _, err := callersOf(t, text); {
		case err == nil && !slices.Contains(meant, key):
			t.Errorf("%s: is taken", text)
		case err != nil && (slices.Contains(meant, key) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), key[strings.LastIndex(key, ".")+1:])):
			t.Errorf("%s: %v", text, err)
		}
	}
	if numbers < 40 {
		t.Errorf("only %d numbers found", numbers)
	}
}

// written is a configuration with one key, and what it can't be without.
func written(key, value string) string {
	if key == "chainids" {
		return "chainids: [" + value + "]"
	}
	parts := strings.Split(key, ".")
	slices.Reverse(parts)
	for i, part := range parts {
		if i > 0 {
			value = "{" + value + "}"
		}
		switch part {
		case "vaults[]":
			value = "vaults: [{url: https://a.vault.azure.net, " + value[1:] + "]"
		case "console": // off, it has no address
			value = "people: {ann: {}}, console: {enabled: true, " + value[1:]
		case "postgres":
			value = "postgres: {dsn: host=db, " + value[1:]
		default:
			value = part + ": " + value
		}
	}
	return value
}
