package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesPageIsTrue runs the rule file that docs/rules.md shows on the case
// that it shows.
func TestRulesPageIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, fence := range map[string]string{"rules.js": "js", "case.json": "json"} {
		blocks := regexp.MustCompile("(?s)\n```"+fence+"\n(.*?)```").FindAllSubmatch(page, -1)
		if len(blocks) != 1 {
			t.Fatalf("%d blocks of %s in the page, want 1", len(blocks), fence)
		}
		if err := os.WriteFile(filepath.Join(dir, name), blocks[0][1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	args := []string{"kvclef", "rules", "test", filepath.Join(dir, "rules.js"), filepath.Join(dir, "case.json")}
	if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, said.String())
	}
}

// TestPolicyPageIsTrue runs the first policy of docs/policy.md on the cases that
// stand below it.
func TestPolicyPageIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d blocks of YAML in the page", len(blocks))
	}
	for i, name := range []string{"policy.yaml", "policy.test.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), blocks[i][1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	args := []string{"kvclef", "policy", "test", "--strict", filepath.Join(dir, "policy.yaml")}
	if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, said.String())
	}
}

// TestTranslatedPoliciesAreTrue runs each policy of docs/policy-from.md on the
// cases that stand below it, and the rule file that one of them replaces.
func TestTranslatedPoliciesAreTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policy-from.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := func(fence string) [][][]byte {
		return regexp.MustCompile("(?s)\n```"+fence+"\n(.*?)```").FindAllSubmatch(page, -1)
	}
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	policies := blocks("yaml")
	if len(policies) != 6 {
		t.Fatalf("%d blocks of YAML in the page, want three policies and their cases", len(policies))
	}
	kvclef := func(args ...string) {
		var said bytes.Buffer
		if code := run(t.Context(), append([]string{"kvclef"}, args...), strings.NewReader(""), &said, &said); code != exitOK {
			t.Errorf("%q: exit code %d:\n%s", args, code, said.String())
		}
	}
	for i, name := range []string{"fireblocks", "turnkey", "clef"} {
		policy := write(name+".yaml", policies[2*i][1])
		write(name+".test.yaml", policies[2*i+1][1])
		kvclef("policy", "check", "--strict", policy)
		kvclef("policy", "test", "--strict", policy)
	}
	files := blocks("js")
	if len(files) != 1 {
		t.Fatalf("%d rule files in the page", len(files))
	}
	kvclef("rules", "test", write("rules.js", files[0][1]), write("case.json", []byte(`{
		"name": "an ether in a day", "chain_id": 1, "steps": [
			{"request": {"method": "account_signTransaction", "params": [{"from": "0x71562b71999873DB5b286dF957af199Ec94617F7", "to": "0x4444444444444444444444444444444444444444",
				"value": "0x853a0d2313c0000", "nonce": "0x0", "gas": "0x5208", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1", "chainId": "0x1"}]}, "expect": {"verdict": "approve"}},
			{"request": {"method": "account_signTransaction", "params": [{"from": "0x71562b71999873DB5b286dF957af199Ec94617F7", "to": "0x4444444444444444444444444444444444444444",
				"value": "0x853a0d2313c0000", "nonce": "0x1", "gas": "0x5208", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1", "chainId": "0x1"}]}, "expect": {"verdict": "reject"}}]}`)))
}

// TestExamplePoliciesAreSound: each passes the check that a pipeline makes.
func TestExamplePoliciesAreSound(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/policies/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, command := range []string{"check", "test"} {
		var said bytes.Buffer
		args := append([]string{"kvclef", "policy", command, "--strict"}, files...)
		if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitOK {
			t.Errorf("policy %s: exit code %d:\n%s", command, code, said.String())
		}
	}
}
