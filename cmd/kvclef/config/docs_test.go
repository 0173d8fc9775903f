package config

import (
	"maps"
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
	return slices.Collect(maps.Keys(valuesOf(typ, path)))
}

// valuesOf returns the types of all values by the paths of their keys.
func valuesOf(typ reflect.Type, path string) map[string]reflect.Type {
	values := make(map[string]reflect.Type)
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := join(path, field.Tag.Get("yaml"))
		switch {
		case field.Tag.Get("yaml") == "-":
		case field.Type.Kind() == reflect.Struct:
			maps.Copy(values, valuesOf(field.Type, key))
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			maps.Copy(values, valuesOf(field.Type.Elem(), key+"[]"))
		case field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() == reflect.Struct:
			maps.Copy(values, valuesOf(field.Type.Elem(), key+".NAME"))
		default:
			values[key] = field.Type
		}
	}
	return values
}
