// Package docs holds no code. Its tests keep the pages true: kvclef reads the
// configurations that they show and says the messages that they quote.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules/policy"
)

// pages returns the text of each page, by file name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages found: %v", err)
	}
	found := make(map[string]string)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[file] = string(data)
	}
	return found
}

// soundPolicy checks a policy of a page as kvclef policy check --strict does: who
// copies it must not learn of its warnings later.
func soundPolicy(t *testing.T, file, text string) {
	t.Helper()
	p, err := policy.Load(file, []byte(text), policy.Options{})
	if err != nil {
		t.Errorf("%s shows a policy that does not load: %v\n%s", file, err, text)
		return
	}
	for _, w := range policy.Lint(p) {
		if w.Accepted == "" {
			t.Errorf("%s shows a policy with a warning: %s [%s]\n%s", file, w, w.ID, text)
		}
	}
}

func TestConfigurationsAreRead(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)\n```yaml\n(.*?\n)```\n")
	count := 0
	for file, text := range pages(t) {
		for _, match := range block.FindAllStringSubmatch(text, -1) {
			switch {
			case strings.Contains(match[1], "apiVersion:"): // Kubernetes
				continue
			case strings.HasPrefix(match[1], "# values.yaml\n"): // of the chart, which has tests of its own
				continue
			case strings.Contains(match[1], "cases:"): // of a policy, which cmd/kvclef tries
				continue
			case strings.HasPrefix(match[1], "version: 1\n"):
				soundPolicy(t, file, match[1])
				continue
			}
			count++
			cfg, err := config.Parse(file, []byte(match[1]))
			if err == nil {
				err = cfg.Validate()
			}
			if err != nil {
				t.Errorf("%s shows a configuration that kvclef refuses: %v\n%s", file, err, match[1])
			}
		}
	}
	if count < 5 {
		t.Errorf("found %d configurations in the pages; azure.md alone has more", count)
	}
}
