package diag

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

const planted = "PLANTED"

// fill plants a secret in every text of a value, whatever it is for, and one member in
// each list and map.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("https://" + planted + ":" + planted + "@host.example/" + planted + "?" + planted)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		member, key := reflect.New(v.Type().Elem()).Elem(), reflect.New(v.Type().Key()).Elem()
		fill(member)
		if key.Kind() == reflect.String {
			key.SetString(planted)
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, member)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	}
}

// TestConfigTellsWhatIsListed: with a secret in every text of the configuration, those
// that are told are of listed keys alone, and URLs are hosts.
func TestConfigTellsWhatIsListed(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{}
	fill(reflect.ValueOf(cfg).Elem())
	cfg.Vaults[0].Credential.Secret = keyvault.NewSecret(planted)
	text, err := Config(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// A listed text is told as it is: these are names, choices and hosts.
	free := []string{
		"addr", "allow", "deny", "algorithms", "audit", "attest_key", "caller_name", "checkpoint_key", "events", "format", "keys", "kind", "level", "min_version",
		"name", "other_accounts", "prefix", "principal_claim", "requester", "requests", "template", "vault",
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "- "), ":")
		if key == "https" { // a member of a list
			continue
		}
		if key == "url" && strings.TrimSpace(value) != "https://host.example" && !strings.Contains(value, hidden) {
			t.Errorf("a URL is told: %s", line)
		}
		if strings.Contains(line, planted) && !slices.Contains(free, key) {
			t.Errorf("told: %s", line)
		}
	}
	for _, key := range []string{"secret_file", "oidc", "node", "people", "principals", "vhosts", "endpoint", "tenant_id", "secret_env", "datadir"} {
		if !strings.Contains(string(text), key+": "+hidden) {
			t.Errorf("%s is not hidden", key)
		}
	}
}

// TestListedKeysAre: a key that is listed and is none is a mistake.
func TestListedKeysAre(t *testing.T) {
	t.Parallel()
	keys := keysOf(reflect.TypeFor[config.Config](), "")
	for _, key := range shown() {
		if !slices.Contains(keys, key) {
			t.Errorf("%s is no key", key)
		}
		for _, word := range []string{"secret", "password", "token", "file", "path", "header"} {
			if strings.Contains(key, word) {
				t.Errorf("%s is told", key)
			}
		}
	}
}

func keysOf(typ reflect.Type, path string) []string {
	var keys []string
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		name = strings.TrimPrefix(path+"."+name, ".")
		inner := field.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.NumField() > 0 {
			keys = append(keys, keysOf(inner, name)...)
		}
		keys = append(keys, name)
	}
	return keys
}

func TestArchive(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := WriteArchive(&b, "folder", time.Unix(1, 0), []Section{{"a.txt", []byte("a")}, {"b.txt", nil}}); err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	archive, found := tar.NewReader(unpacked), map[string]string{}
	for {
		header, err := archive.Next()
		if err == io.EOF { //nolint:errorlint // as documented
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = string(text)
	}
	if !reflect.DeepEqual(found, map[string]string{"folder/a.txt": "a", "folder/b.txt": ""}) {
		t.Errorf("%v", found)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for _, c := range []struct {
		text  string
		lines int
		want  string
	}{
		{"", 3, ""},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"\xff\n", 2, "?\n"},
		{strings.Repeat("x", maxTail) + "\nlast\n", 9, "last\n"},
		{"u=postgres://a:PLANTED@db/x?y and https://h:1/PLANTED#PLANTED\n", 1, "u=postgres://db and https://h:1\n"},
		{`{"a":"https://PLANTED@h/PLANTED","b":"Authorization: Basic PLANTED"}` + "\n", 1, `{"a":"https://h","b":"Authorization: Basic (not shown)"}` + "\n"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Tail(path, c.lines)
		if err != nil || string(got) != c.want {
			t.Errorf("%.80q: %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	if _, err := Tail(t.TempDir(), 1); err == nil {
		t.Error("a folder is read")
	}
}
