package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// schemaOf compiles the schema.
func schemaOf(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("policy.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// jsonOf is what an editor makes of a policy.
func jsonOf(source []byte) (any, error) {
	var value any
	if err := yaml.Unmarshal(source, &value); err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
}

func TestSchemaAcceptsWhatLoads(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var files []string
	for _, pattern := range []string{"testdata/*.yaml", "../../docs/policies/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	tried := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yaml") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file, source, Options{}); err != nil {
			t.Error(err)
		}
		value, err := jsonOf(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		tried++
	}
	if tried == 0 {
		t.Error("no policy was tried")
	}
}

// TestSchemaRefuses has what no policy may, in each place.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	const rule = "{id: a, effect: allow, match: {any: true}"
	for _, source := range []string{
		"version: 2\nrules: [" + rule + "}]",
		"version: 1",
		"version: 1\nrules: []",
		"version: 1\nrule: []\nrules: [" + rule + "}]",
		"version: 1\nrules: [" + rule + ", mod: shadow}]",
		"version: 1\nrules: [" + rule + ", mode: shadowed}]",
		"version: 1\nrules: [" + rule + ", over_limit: {approvals: a}}]",
		"version: 1\nrules: [" + rule + ", js: a/b.js}]",
		"version: 1\nrules: [" + rule + ", accept: [no-limit]}]",
		"version: 1\nrules: [" + rule + ", accept: {}}]",
		"version: 1\nrules: [" + rule + ", accept: {no-limit: ''}}]",
		"version: 1\nrules: [" + rule + ", accept: {no limit: x}}]",
		"version: 1\nrules: [{id: a, effect: deny, match: {any: true}, approvals: x}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {any: false}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {gas: 1}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {gas_max: -1}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {fee_cap_max: 300 gwe}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {kind: message}}]",
		"version: 1\nrules: [{id: a, effect: allow, match: {any: true, inner: [{chain: 1}]}}]",
		"version: 1\nrules: [{id: a b, effect: allow, match: {any: true}}]",
		"version: 1\nrules: [" + rule + ", limits: [{measure: value, max: 1 ether}]}]",
		"version: 1\nrules: [" + rule + ", limits: [{measure: value, max: 1 ether, window: 1w}]}]",
		"version: 1\nrules: [" + rule + ", limits: [{measure: values, max: 1 ether, window: 1d}]}]",
		"version: 1\nchains: {2nd: 1}\nrules: [" + rule + "}]",
		"version: 1\ntokens: {A: {chain: 1}}\nrules: [" + rule + "}]",
		"version: 1\naccounts: {a: \"0x12\"}\nrules: [" + rule + "}]",
		"version: 1\napprovals: {a: {threshold: 0, of: [b]}}\nrules: [" + rule + "}]",
	} {
		value, err := jsonOf([]byte(source))
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if err := schema.Validate(value); err == nil {
			t.Errorf("the schema accepts\n%s", source)
		}
		if _, err := Load("p", []byte(source), Options{}); err == nil {
			t.Errorf("it loads:\n%s", source)
		}
	}
}

// TestSchemaHasTheWords checks that each word has a sentence and a place.
func TestSchemaHasTheWords(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, w := range words() {
		if seen[w.key] {
			t.Errorf("%s is there twice", w.key)
		}
		seen[w.key] = true
		if w.doc == "" || schema.Defs["match"].Properties[w.key].Description != w.doc {
			t.Errorf("%s is not in the schema of a match, or has no sentence", w.key)
		}
		if _, within := schema.Defs["inner"].Properties[w.key]; within != (w.level != aboutRequest) {
			t.Errorf("%s is in the schema of inner: %v", w.key, within)
		}
	}
}

// TestEveryWordIsTried: testdata has policies with all words.
func TestEveryWordIsTried(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Load(file, source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range p.Rules() {
			for key := range rule.Match.Lines {
				seen[key] = true
			}
		}
	}
	for _, key := range wordKeys(false) {
		if !seen[key] && key != wordAny {
			t.Errorf("no policy of testdata has %s", key)
		}
	}
}
