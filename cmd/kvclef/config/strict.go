package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/suggest"
)

// checker compares a document with the types that it is to be decoded into,
// before it is. The YAML package alone would name neither the file nor the key.
type checker struct {
	file string
}

// check reports the keys and values of the node that have no place in t.
// The path is the node's own, such as "listeners.http".
func (c checker) check(node *yaml.Node, t reflect.Type, path string) error {
	switch {
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		return c.errorf(node, "%s: anchors and aliases are not supported; write the value out", orDocument(path))
	case pins(path) != "" && (node.Tag == "!!null" || node.Tag == "!!str" && node.Value == ""):
		return c.errorf(node, "%s: no %s; remove the line to do without, or give one", path, pins(path))
	case node.Tag == "!!null":
		return nil
	case t == reflect.TypeFor[Vault]():
		return c.mapping(node, vaultType(node), path)
	case t.Kind() == reflect.Struct:
		return c.mapping(node, t, path)
	case t.Kind() == reflect.Slice:
		return c.sequence(node, t.Elem(), path)
	case t.Kind() == reflect.Map:
		return c.named(node, t.Elem(), path)
	default:
		return c.scalar(node, t, path)
	}
}

// pins says what a path holds that something is checked or held by, "" for all
// others: one that a template left empty must not turn that off.
func pins(path string) string {
	switch path {
	case "rules.attest_key", "audit.checkpoint_key":
		return "key"
	case "rules.policy":
		return "policy"
	case "approvals.socket_group", "listeners.ipc.socket_group", "approvals.console.oidc.group":
		return "group"
	case "listeners.http.tls", "listeners.http.tls.cert_file", "listeners.http.tls.key_file",
		"proxy.tls", "proxy.tls.cert_file", "proxy.tls.key_file",
		"approvals.console.tls", "approvals.console.tls.cert_file", "approvals.console.tls.key_file":
		return "certificate and key"
	case "listeners.http.tls.client_ca_file", "proxy.tls.client_ca_file":
		return "authority"
	case "listeners.http.tls.caller_name", "proxy.tls.caller_name", "listeners.ipc.principals", "listeners.ipc.only_known":
		return "name"
	case "listeners.http.jwt", "listeners.http.jwt.secret_file", "listeners.http.jwt.issuer", "listeners.http.jwt.algorithms",
		"proxy.jwt", "proxy.jwt.secret_file", "proxy.jwt.issuer", "proxy.jwt.algorithms":
		return "proof of who calls"
	default:
		return ""
	}
}

// vaultType returns the type of the form that an entry of the vaults has.
func vaultType(node *yaml.Node) reflect.Type {
	switch formOf(node) {
	case formDocument:
		return reflect.TypeFor[HostedDocument]()
	case formHosted:
		return reflect.TypeFor[HostedVault]()
	default:
		return reflect.TypeFor[Vault]()
	}
}

func (c checker) mapping(node *yaml.Node, t reflect.Type, path string) error {
	if node.Kind != yaml.MappingNode {
		return c.errorf(node, "%s: want keys and values, not %s", orDocument(path), kindOf(node))
	}
	fields := fieldsOf(t)
	seen := make(map[string]int)
	var problems []error
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field, known := fields[key.Value]
		line, again := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !known:
			problems = append(problems, c.errorf(key, "unknown key %q%s", join(path, key.Value), meant(key.Value, namesOf(fields))))
		case again:
			problems = append(problems, c.errorf(key, "duplicate key %q, first on line %d: remove one", join(path, key.Value), line))
		default:
			seen[key.Value] = key.Line
			problems = append(problems, c.field(value, field, join(path, key.Value)))
		}
	}
	return errors.Join(problems...)
}

// field checks the value of a struct's field. One whose zero stands for a line that is left
// out says by the tag given what may be written: a zero that is written is no such line, and
// taking the default for it would be another value than the one that somebody reads there.
func (c checker) field(node *yaml.Node, field reflect.StructField, path string) error {
	if err := c.check(node, field.Type, path); err != nil {
		return err
	}
	given, value := field.Tag.Get("given"), reflect.New(field.Type)
	if given == "" || node.Tag == "!!null" {
		return nil
	}
	if err := node.Decode(value.Interface()); err != nil || !value.Elem().IsZero() {
		return err
	}
	return c.errorf(node, "%s: %s; it must be %s; remove the line for the default", path, cmp.Or(node.Value, `""`), given)
}

// named checks a mapping whose keys are names.
func (c checker) named(node *yaml.Node, element reflect.Type, path string) error {
	if node.Kind != yaml.MappingNode {
		return c.errorf(node, "%s: want names and what each is, not %s", path, kindOf(node))
	}
	seen := make(map[string]int)
	var problems []error
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		line, again := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!null" || key.Tag == "!!merge" || key.Anchor != "":
			problems = append(problems, c.errorf(key, "%s: want a name here, not %s", path, kindOf(key)))
		case again:
			problems = append(problems, c.errorf(key, "%s: %q is there twice, first on line %d: remove one", path, key.Value, line))
		default:
			seen[key.Value] = key.Line
			problems = append(problems, c.check(value, element, join(path, key.Value)))
		}
	}
	return errors.Join(problems...)
}

func (c checker) sequence(node *yaml.Node, element reflect.Type, path string) error {
	if node.Kind != yaml.SequenceNode {
		return c.errorf(node, "%s: want a list, not %s", path, kindOf(node))
	}
	problems := make([]error, len(node.Content))
	for i, item := range node.Content {
		problems[i] = c.check(item, element, fmt.Sprintf("%s[%d]", path, i))
	}
	return errors.Join(problems...)
}

func (c checker) scalar(node *yaml.Node, t reflect.Type, path string) error {
	if node.Kind != yaml.ScalarNode {
		return c.errorf(node, "%s: want %s, not %s", path, wanted(t), kindOf(node))
	}
	if err := node.Decode(reflect.New(t).Interface()); err != nil || otherBase(node.Value, t) {
		return c.errorf(node, "%s: want %s, not %q", path, wanted(t), node.Value)
	}
	return nil
}

// otherBase reports a whole number that is not decimal. YAML takes 010 for 8,
// and the chain of that number is not the one that was meant.
func otherBase(text string, t reflect.Type) bool {
	whole := wanted(t) == wanted(reflect.TypeFor[int]()) || t.Kind() == reflect.Uint16
	return whole && text != "0" && strings.HasPrefix(text, "0")
}

func (c checker) errorf(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", c.file, node.Line, fmt.Sprintf(format, args...))
}

// fieldsOf returns a struct's fields by their keys.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := make(map[string]reflect.StructField)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "-" {
			fields[key] = t.Field(i)
		}
	}
	return fields
}

func namesOf(fields map[string]reflect.StructField) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wanted describes a scalar type to the writer of a configuration.
func wanted(t reflect.Type) string {
	switch {
	case t.PkgPath() == "time":
		return "a duration such as 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Uint16:
		return "a whole number from 0 to 65535"
	default:
		return "a whole number"
	}
}

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func orDocument(path string) string {
	if path == "" {
		return "document"
	}
	return path
}

// meant suggests the key for one that there is not. A secret stands in no configuration, but
// where one is read from: the key that is nearest by its letters would not say so.
func meant(key string, names []string) string {
	var instead []string
	for _, place := range []string{"_file", "_env"} {
		if slices.Contains(names, key+place) {
			instead = append(instead, key+place)
		}
	}
	if len(instead) > 0 {
		return ": give " + strings.Join(instead, " or ") + ", which name where it is"
	}
	return suggest.DidYouMean("", key, names)
}
