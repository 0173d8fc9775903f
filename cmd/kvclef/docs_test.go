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
