package browser_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeVersion is that of the accessibility checker, axe-core.
const axeVersion = "4.14.1"

// axe fetches the checker's script from the npm registry.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "axe-core@"+axeVersion)
	if text, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, text)
	}
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// accessible checks the page that is open: what is a serious or critical violation of
// WCAG 2.2 A and AA, or of good practice, fails.
func (p *person) accessible(t *testing.T, script, path string) {
	t.Helper()
	p.open(t, path)
	var found []string
	p.read(t, chromedp.Evaluate(script, nil), chromedp.ActionFunc(func(ctx context.Context) error {
		return chromedp.Evaluate(`axe.run().then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact))
			.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html).join(" ")))`, &found, awaits).Do(ctx)
	}))
	for _, violation := range found {
		t.Errorf("%s: %s", path, violation)
	}
}
