//go:build linux

package overload_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// figures are what a window of time comes to.
type figures struct {
	window          time.Duration
	offered         float64 // a second, what was due and not sent included
	signed, refused int
	failed          []error
	took            []time.Duration // of what was signed, sorted
	refusals        []time.Duration // of what was refused, sorted
	shares          map[string]int  // signatures by caller
	cpu             time.Duration   // the signer's own
	throttled       int
}

// between counts what was answered from one moment to another. Offered is what the
// callers' rates say.
func between(callers []*caller, from, to time.Time) *figures {
	f := &figures{window: to.Sub(from), shares: make(map[string]int)}
	for _, c := range callers {
		f.offered += c.rate
		f.shares[c.name] = 0
		c.mu.Lock()
		for _, a := range c.answers {
			switch {
			case a.at.Before(from) || !a.at.Before(to):
			case a.err != nil:
				f.failed = append(f.failed, fmt.Errorf("%s: %w", c.name, a.err))
			case a.refused:
				f.refused++
				f.refusals = append(f.refusals, a.took)
			default:
				f.signed++
				f.shares[c.name]++
				f.took = append(f.took, a.took)
			}
		}
		c.mu.Unlock()
	}
	slices.Sort(f.took)
	slices.Sort(f.refusals)
	return f
}

// perSecond is the throughput of signatures.
func (f *figures) perSecond() float64 { return float64(f.signed) / f.window.Seconds() }

// jain is the fairness index of the shares: 1 where all are the same, 1/n where one
// has all.
func (f *figures) jain() float64 {
	sum, squares := 0.0, 0.0
	for _, share := range f.shares {
		sum += float64(share)
		squares += float64(share) * float64(share)
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(f.shares)) * squares)
}

// percentile is the smallest value that so many percent do not exceed.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

// table is a row for each stage, and a column for each figure, in Markdown.
type table struct {
	strings.Builder
	names []string // of callers
}

func newTable(names []string) *table {
	tb := &table{names: names}
	tb.WriteString("| | offered/s | limit/s | signed/s | refused/s | p50 ms | p99 ms | refusal p99 ms | CPU ms/signature | 429s | Jain | share of " +
		strings.Join(names, ", ") + " |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	return tb
}

func (tb *table) row(stage string, limit float64, f *figures) {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	signed := math.Max(1, float64(f.signed))
	shares := make([]string, len(tb.names))
	for i, name := range tb.names {
		shares[i] = fmt.Sprintf("%.1f", 100*float64(f.shares[name])/signed)
	}
	fmt.Fprintf(tb, "| %s | %.0f | %.0f | %.1f | %.0f | %.0f | %.0f | %.1f | %.2f | %d | %.3f | %s %% |\n", stage, f.offered, limit, f.perSecond(),
		float64(f.refused)/f.window.Seconds(), ms(percentile(f.took, 50)), ms(percentile(f.took, 99)), ms(percentile(f.refusals, 99)),
		ms(f.cpu)/signed, f.throttled, f.jain(), strings.Join(shares, ", "))
}

func TestJain(t *testing.T) {
	for want, shares := range map[float64]map[string]int{
		1: {"a": 7, "b": 7, "c": 7}, 0.25: {"a": 9, "b": 0, "c": 0, "d": 0}, 0.9: {"a": 1, "b": 2}, 0: {"a": 0},
	} {
		if got := (&figures{shares: shares}).jain(); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v, want %v", shares, got, want)
		}
	}
}

func TestPercentile(t *testing.T) {
	sorted := make([]time.Duration, 200)
	for i := range sorted {
		sorted[i] = time.Duration(i + 1)
	}
	for percent, want := range map[int]time.Duration{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := percentile(sorted, percent); got != want {
			t.Errorf("%d %%: %d, want %d", percent, got, want)
		}
	}
	if percentile(nil, 99) != 0 {
		t.Error("of nothing")
	}
}
