package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// monitoring is where dashboard and alerts are.
const monitoring = "../../packaging/monitoring"

// dashboard is what of a dashboard of Grafana is looked at.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name string } }
	Panels        []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr string }
	}
}

// names returns the series that there are, with those of histograms, and the labels
// that each may have.
func names(t *testing.T) map[string][]string {
	t.Helper()
	families, err := used(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for _, family := range families {
		labels := []string{"job", "instance"}
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		name := family.GetName()
		found[name] = labels
		if family.GetMetric()[0].GetHistogram() != nil {
			delete(found, name)
			found[name+"_bucket"] = append(slices.Clone(labels), "le")
			found[name+"_count"], found[name+"_sum"] = labels, labels
		}
	}
	return found
}

var (
	seriesWanted = regexp.MustCompile(`\b((?:kvclef|go|process)_\w+)(\{[^}]*\})?`)
	labelWanted  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
)

// checkQuery compares what a query asks for with what there is.
func checkQuery(t *testing.T, where, query string, there map[string][]string) (asked []string) {
	t.Helper()
	wanted := seriesWanted.FindAllStringSubmatch(query, -1)
	if len(wanted) == 0 {
		t.Errorf("%s: %s asks for nothing of kvclef", where, query)
	}
	for _, series := range wanted {
		labels, found := there[series[1]]
		if !found {
			t.Errorf("%s asks for %s, which is not there", where, series[1])
			continue
		}
		asked = append(asked, series[1])
		for _, label := range labelWanted.FindAllStringSubmatch(series[2], -1) {
			if !slices.Contains(labels, label[1]) {
				t.Errorf("%s asks for %s by %s, and it has %v", where, series[1], label[1], labels)
			}
		}
	}
	return asked
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Panels) < 10 {
		t.Errorf("the dashboard is incomplete: %+v", d)
	}
	there, asked, ids := names(t), map[string]bool{}, map[int]bool{}
	for i, panel := range d.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.GridPos.W == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %d %q: id %d, %+v", i, panel.Title, panel.ID, panel.GridPos)
		}
		ids[panel.ID] = true
		for _, other := range d.Panels[:i] {
			a, b := panel.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", panel.Title, other.Title)
			}
		}
		if (panel.Type == "row") != (len(panel.Targets) == 0) {
			t.Errorf("panel %q has %d queries", panel.Title, len(panel.Targets))
		}
		for _, target := range panel.Targets {
			for _, name := range checkQuery(t, "panel "+panel.Title, target.Expr, there) {
				asked[name] = true
			}
		}
	}
	for name := range there {
		whole := strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_sum")
		if strings.HasPrefix(name, "kvclef_") && whole == name && !asked[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// TestAlerts looks at what the rules ask for, and has promtool try them.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(monitoring, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	there := names(t)
	alerts := regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: (.*)$`).FindAllStringSubmatch(string(text), -1)
	tests, err := os.ReadFile(filepath.Join(monitoring, "alerts_test.yaml"))
	if err != nil || len(alerts) < 10 {
		t.Fatalf("%d alerts, %v", len(alerts), err)
	}
	page, err := os.ReadFile("../../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range alerts {
		checkQuery(t, alert[1], alert[2], there)
		for _, which := range []string{" fires\n", " calm\n"} {
			if !strings.Contains(string(tests), "name: "+alert[1]+which) {
				t.Errorf("alerts_test.yaml has no test %s%s", alert[1], which)
			}
		}
		if !strings.Contains(string(page), "| `"+alert[1]+"` |") {
			t.Errorf("docs/monitoring.md has no row for the alert %s", alert[1])
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not there: install prometheus")
		}
		t.Skip("promtool is not there: install prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
