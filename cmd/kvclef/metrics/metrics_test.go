package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
	"github.com/kvclef/kvclef/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newMetrics(t testing.TB) *Metrics {
	t.Helper()
	m, err := New(prometheus.NewRegistry(), Build{"1.0", "abc", "go1"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// text is everything that Prometheus would see.
func text(t testing.TB, m *Metrics) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// used has each metric counted once.
func used(t testing.TB) *Metrics {
	t.Helper()
	m := newMetrics(t)
	_, request := m.Begin(t.Context(), extapi.Asked{Method: "account_list", Principal: extapi.Local})
	_, done := request.Step(t.Context(), extapi.StepDecide)
	done(errors.New("broken"))
	request.End(extapi.Ending{Judged: true, Verdict: rules.Approve})
	m.Answered(t.Context(), "prod", "sign", 429, time.Millisecond)
	m.Waiting("prod", 1)
	m.InFlight("prod", 1)
	m.Retried("prod", "sign")
	m.HeldBack("prod", keyvault.HeldByLimit)
	m.Held(time.Millisecond, &rules.OverLimitError{})
	m.Appended(time.Millisecond, nil)
	m.Webhook("delivered")
	m.Called("eth_call", proxy.OutcomeTimeout, time.Second)
	m.Called("eth_chainId", proxy.OutcomeRefused, time.Second)
	m.Watch(&Sources{
		Vaults:  func() []Vault { return []Vault{{"prod", 3, true}, {"prod", 3, true}} },
		Policy:  func() []File { return []File{{"policy", "00"}} },
		Limits:  func(context.Context) ([]LimitUse, int, error) { return []LimitUse{{"daily", .5, .25}}, 2, nil },
		Tickets: func() (int, time.Time) { return 1, time.Now().Add(-time.Hour) },
		Rules:   func() (int, int) { return 1, 4 },
		Outbox:  func() []Outbox { return []Outbox{{"", 1, time.Now()}} },
		Audit:   func() uint64 { return 7 },
		Checks:  func(context.Context) []Check { return []Check{{"store", true}} },
	})
	return m
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	got := text(t, used(t))
	for _, line := range []string{
		`kvclef_build_info{goversion="go1",revision="abc",version="1.0"} 1`,
		`kvclef_requests_total{code="0",method="account_list",principal="local",verdict="approve"} 1`,
		`kvclef_request_step_failures_total{step="decide"} 1`,
		`kvclef_requests_in_flight 0`,
		`kvclef_vault_requests_total{operation="sign",status="4xx",vault="prod"} 1`,
		`kvclef_vault_throttled_total{vault="prod"} 1`,
		`kvclef_vault_held_back_total{reason="limit",vault="prod"} 1`,
		`kvclef_vault_circuit_open{vault="prod"} 0`,
		`kvclef_limit_holds_total{result="over_limit"} 1`,
		`kvclef_limit_used_ratio{limit="daily"} 0.5`,
		`kvclef_limit_holds_open 2`,
		`kvclef_audit_entries 7`,
		`kvclef_ready_check{check="store"} 1`,
		`kvclef_webhook_attempts_total{result="delivered"} 1`,
		`kvclef_proxy_calls_total{method="eth_call",outcome="timeout"} 1`,
		`kvclef_proxy_call_duration_seconds_count{method="eth_call"} 1`,
		`kvclef_proxy_calls_total{method="eth_chainId",outcome="refused"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(got, `duration_seconds_count{method="eth_chainId"}`) {
		t.Error("a refused call has a duration")
	}
	if !strings.Contains(got, "go_goroutines ") || !strings.Contains(got, "process_open_fds ") {
		t.Error("the process is not counted")
	}
}

// TestNoCallerMakesSeries: whatever callers send, there are as many series as before.
func TestNoCallerMakesSeries(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("named-%d", i))
	}
	m.NamePrincipals(names)
	ask := func(method, principal string) {
		_, request := m.Begin(t.Context(), extapi.Asked{Method: method, Principal: principal})
		request.End(extapi.Ending{})
	}
	for i := range 3000 {
		ask(fmt.Sprintf("eth_%d", i), fmt.Sprintf("named-%d", i))
		ask("account_list", fmt.Sprintf("\xff%d", i))
	}
	got := strings.Count(text(t, m), "\nkvclef_requests_total{")
	if got > 2*maxPrincipals || got < maxPrincipals {
		t.Errorf("%d series", got)
	}
	for i := range 3000 {
		for _, outcome := range proxy.Outcomes() {
			m.Called(fmt.Sprintf("eth_%d", i), outcome, 0)
		}
	}
	if got := strings.Count(text(t, m), "\nkvclef_proxy_calls_total{"); got != len(proxy.Outcomes()) {
		t.Errorf("%d series of calls in front of a node, want one for each outcome", got)
	}
	for status := -100; status < 1000; status++ {
		m.Answered(t.Context(), "prod", "sign", status, 0)
	}
	if got := strings.Count(text(t, m), "\nkvclef_vault_requests_total{"); got != 6 {
		t.Errorf("%d series of a vault, want 1xx to 5xx and none", got)
	}
}

// TestEveryMetricIsDocumented compares the table of docs/monitoring.md with the code.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := used(t).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(kvclef_\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		var labels []string
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[2], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		rows[row[1]] = labels
	}
	for _, family := range families {
		name := family.GetName()
		if !strings.HasPrefix(name, "kvclef_") {
			continue
		}
		labels, found := rows[name]
		if !found {
			t.Errorf("docs/monitoring.md has no row for %s", name)
			continue
		}
		delete(rows, name)
		var have []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			have = append(have, pair.GetName())
		}
		if !slices.Equal(have, labels) {
			t.Errorf("docs/monitoring.md gives %s the labels %v, it has %v", name, labels, have)
		}
	}
	for name := range rows {
		t.Errorf("docs/monitoring.md has a row for %s, which is no metric", name)
	}
}

// TestOwnPart: what a request takes elsewhere is no part of kvclef's own.
func TestOwnPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t)
		ask := func(method string, ending extapi.Ending) {
			ctx, request := m.Begin(t.Context(), extapi.Asked{Method: method, Principal: extapi.Local})
			for step, took := range map[extapi.Step]time.Duration{extapi.StepQueue: time.Hour, extapi.StepDecide: time.Second, extapi.StepSign: time.Minute} {
				_, done := request.Step(ctx, step)
				<-time.After(took) // of the bubble
				done(nil)
			}
			m.Answered(ctx, "prod", "sign", 429, 20*time.Second)
			m.Answered(ctx, "other", "sign", 200, 39*time.Second)
			request.End(ending)
		}
		ask("account_signTransaction", extapi.Ending{})
		ask("account_signTransaction", extapi.Ending{Asked: true})
		ask("account_signTransaction", extapi.Ending{Code: -32000})
		ask("eth_sendTransaction", extapi.Ending{}) // it has asked the node, too
		m.Answered(t.Context(), "prod", "list", 200, time.Hour)
		got := text(t, m)
		for _, line := range []string{`count{method="account_signTransaction"} 1`, `sum{method="account_signTransaction"} 2`} {
			if !strings.Contains(got, "kvclef_request_own_duration_seconds_"+line+"\n") {
				t.Errorf("no %s in %s", line, got)
			}
		}
		if strings.Contains(got, `own_duration_seconds_count{method="eth_sendTransaction"}`) {
			t.Error("what a node took is kvclef's own")
		}
	})
}

func TestHook(t *testing.T) {
	t.Parallel()
	m, before := newMetrics(t), 0
	hook := m.Hook(func(string) { before++ })
	for _, point := range []string{"audit.written", "audit.synced", "store.before-commit", "store.after-commit", "audit.opened"} {
		hook(point)
	}
	m.Committed(3 * time.Second)
	got := text(t, m)
	if before != 5 || !strings.Contains(got, "kvclef_audit_fsync_duration_seconds_count 1\n") ||
		!strings.Contains(got, "kvclef_store_commit_duration_seconds_count 2\n") || !strings.Contains(got, `kvclef_store_commit_duration_seconds_bucket{le="2.5"} 1`) {
		t.Errorf("%d calls before; %s", before, got)
	}
}

func BenchmarkRequest(b *testing.B) {
	m, ctx := newMetrics(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, request := m.Begin(ctx, extapi.Asked{Method: "account_signTransaction", Principal: extapi.Local})
		for range 5 {
			_, done := request.Step(ctx, extapi.StepRecord)
			done(nil)
		}
		request.End(extapi.Ending{Judged: true, Verdict: rules.Approve})
		m.Answered(ctx, "prod", "sign", 200, time.Millisecond)
	}
}
