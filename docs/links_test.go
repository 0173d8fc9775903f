package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// anchors returns the anchors that GitHub gives to a page's headings.
func anchors(page string) map[string]bool {
	found := make(map[string]bool)
	for _, heading := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(page, -1) {
		text := regexp.MustCompile(`[^\pL\pN_\- ]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		found[strings.ReplaceAll(text, " ", "-")] = true
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	prose := pages(t)
	for file, text := range prose {
		prose[file] = regexp.MustCompile("(?s)\n```.*?\n```\n").ReplaceAllString(text, "\n")
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for file, text := range prose {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			if target == "" {
				target = file
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", file, match[1], err)
				continue
			}
			if page, ok := prose[target]; ok && anchor != "" && !anchors(page)[anchor] {
				t.Errorf("%s links to %s, which has no such heading", file, match[1])
			}
		}
	}
}
