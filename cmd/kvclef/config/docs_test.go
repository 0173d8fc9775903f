package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// TestEveryKeyIsDocumented compares the fields with the tables of the page: a
// key that is missing there, and one that is there and not here, are errors.
func TestEveryKeyIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllSubmatch(page, -1) {
		for _, key := range regexp.MustCompile("`([a-z][a-zA-Z_.\\[\\]]*)`").FindAllSubmatch(row[1], -1) {
			documented = append(documented, string(key[1]))
		}
	}
	keys := keysOf(reflect.TypeFor[Config](), "")
	for _, hosted := range []reflect.Type{reflect.TypeFor[HostedVault](), reflect.TypeFor[HostedDocument]()} {
		for _, key := range keysOf(hosted, "") {
			if !regexp.MustCompile(`^details\.`).MatchString(key) {
				keys = append(keys, "vaults[]."+key)
			}
		}
	}
	keys = append(keys, "vaults[].credential", "vaults[].details")
	for _, key := range keys {
		if !slices.Contains(documented, key) {
			t.Errorf("docs/configuration.md has no row for %s", key)
		}
	}
	for _, key := range documented {
		if !slices.Contains(keys, key) {
			t.Errorf("docs/configuration.md has a row for %s, which is no key", key)
		}
	}
	if len(keys) < 40 {
		t.Errorf("only %d keys found", len(keys))
	}
}

// keysOf returns the paths of all keys that hold a value.
func keysOf(typ reflect.Type, path string) []string {
	var keys []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := join(path, field.Tag.Get("yaml"))
		switch {
		case field.Tag.Get("yaml") == "-":
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field.Type, key)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			keys = append(keys, keysOf(field.Type.Elem(), key+"[]")...)
		case field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() != reflect.Struct:
			keys = append(keys, key)
		case field.Type.Kind() == reflect.Map:
			keys = append(keys, keysOf(field.Type.Elem(), key+".NAME")...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}
