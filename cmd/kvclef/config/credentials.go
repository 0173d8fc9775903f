package config

import (
	"path/filepath"
	"reflect"
	"strings"
)

// CredentialsFolder stands at the beginning of a setting for the folder in which the
// service manager puts a unit's credentials: systemd's LoadCredential=. Each unit has another.
const CredentialsFolder = "${CREDENTIALS_DIRECTORY}"

// ResolveCredentials puts the folder in the place of [CredentialsFolder] in every setting
// whose name ends in _file. Without one they stay as they are, and can't be read: not
// every command reads them.
func (c *Config) ResolveCredentials(folder string) {
	if filepath.IsAbs(folder) {
		resolve(reflect.ValueOf(c).Elem(), folder)
	}
}

func resolve(value reflect.Value, folder string) {
	switch value.Kind() {
	case reflect.Slice:
		for i := range value.Len() {
			resolve(value.Index(i), folder)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			field, tag := value.Field(i), value.Type().Field(i).Tag.Get("yaml")
			if rest, ok := strings.CutPrefix(field.String(), CredentialsFolder+"/"); ok && field.Kind() == reflect.String && strings.HasSuffix(tag, "_file") {
				field.SetString(filepath.Join(folder, rest))
				continue
			}
			resolve(field, folder)
		}
	}
}

// NeedsCredentials reports whether a text, of an error, shows that there was no folder.
func NeedsCredentials(text string) bool { return strings.Contains(text, CredentialsFolder+"/") }
