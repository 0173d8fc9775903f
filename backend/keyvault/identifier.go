package keyvault

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// identifier names a key, and one version of it unless version is empty.
type identifier struct {
	name    string
	version string
}

var (
	// The service's own rules. They also keep names such as ".." out of paths.
	keyName    = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	keyVersion = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// parseIdentifier reads a key identifier as the service writes it:
// https://HOST/keys/NAME or https://HOST/keys/NAME/VERSION. The host is not
// looked at: the service may write another alias of the vault than the one
// that was asked.
func parseIdentifier(raw string) (identifier, error) {
	if len(raw) > 1024 {
		return identifier{}, fmt.Errorf("key identifier %q is longer than 1024 characters", printable(raw))
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return identifier{}, fmt.Errorf("key identifier %q is not a URL", printable(raw))
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || len(parts) > 3 || !strings.EqualFold(parts[0], "keys") {
		return identifier{}, fmt.Errorf("key identifier %q is not of the form https://HOST/keys/NAME/VERSION", printable(raw))
	}
	return newIdentifier(parts[1:])
}

// parseKey reads a key as the configuration names it: NAME or NAME/VERSION.
func parseKey(raw string) (identifier, error) {
	id, err := newIdentifier(strings.Split(raw, "/"))
	if err != nil {
		return identifier{}, fmt.Errorf("key %q: want NAME or NAME/VERSION: %w", printable(raw), err)
	}
	return id, nil
}

// CheckKey refuses a text that names no key: NAME, or NAME/VERSION.
func CheckKey(text string) error {
	_, err := parseKey(text)
	return err
}

// CheckKeyName refuses a name that no key can have.
func CheckKeyName(name string) error {
	if _, err := newIdentifier([]string{name}); err != nil {
		return fmt.Errorf("key %q: %w", printable(name), err)
	}
	return nil
}

func newIdentifier(parts []string) (identifier, error) {
	if len(parts) == 0 || len(parts) > 2 {
		return identifier{}, fmt.Errorf("%d parts where a name and a version may stand", len(parts))
	}
	if !keyName.MatchString(parts[0]) {
		return identifier{}, fmt.Errorf("name %q has characters other than letters, digits and dashes, or not 1 to 127 of them", printable(parts[0]))
	}
	id := identifier{name: parts[0]}
	if len(parts) == 2 {
		if !keyVersion.MatchString(parts[1]) {
			return identifier{}, fmt.Errorf("version %q is not 32 hexadecimal digits", printable(parts[1]))
		}
		id.version = parts[1]
	}
	return id, nil
}

// fold returns the identifier as a map key: the service's identifiers are
// case-insensitive.
func (id identifier) fold() identifier {
	return identifier{strings.ToLower(id.name), strings.ToLower(id.version)}
}

func (id identifier) String() string {
	if id.version == "" {
		return id.name
	}
	return id.name + "/" + id.version
}
