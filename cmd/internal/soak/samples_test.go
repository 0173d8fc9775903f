package soak_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// sample is what kvclef has between two rounds, when nobody is connected.
type sample struct {
	requests    float64 // so far
	goroutines  float64
	descriptors float64
	heap        float64 // bytes that the last collection left
	resident    float64 // bytes of kvclef's own, without the pages of files
	state, log  float64 // bytes on the disk
}

func (s sample) print(t *testing.T) {
	t.Helper()
	t.Logf("%7.0f requests: %3.0f goroutines, %3.0f descriptors, heap %5.1f MiB, memory %5.1f MiB, state %5.1f MiB, audit log %6.1f MiB",
		s.requests, s.goroutines, s.descriptors, s.heap/mebibyte, s.resident/mebibyte, s.state/mebibyte, s.log/mebibyte)
}

// sample reads one.
func (l *load) sample(ctx context.Context) (sample, error) {
	metrics, err := l.readMetrics(ctx)
	if err != nil {
		return sample{}, err
	}
	usage, err := measure.Read(l.process.PID())
	if err != nil {
		return sample{}, err
	}
	of := sample{
		requests: float64(l.next.Load()), goroutines: metrics["go_goroutines"], descriptors: float64(usage.Descriptors),
		// The next collection is due at twice what the last one left, with GOGC=100.
		heap: metrics["go_memstats_next_gc_bytes"] / 2, resident: float64(usage.Anonymous),
	}
	err = filepath.WalkDir(l.dataDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), "audit") {
			of.log += float64(info.Size())
		} else {
			of.state += float64(info.Size())
		}
		return nil
	})
	return of, err
}

// readMetrics reads the figures that have no labels. It hangs up.
func (l *load) readMetrics(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.metrics, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	figures := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found {
			if figure, err := strconv.ParseFloat(value, 64); err == nil {
				figures[name] = figure
			}
		}
	}
	if figures["go_goroutines"] == 0 || figures["go_memstats_next_gc_bytes"] == 0 {
		return nil, fmt.Errorf("no figures of Go in the metrics: %s", text)
	}
	return figures, nil
}

const (
	mebibyte = 1 << 20

	// slack is by how many connections to the vault two samples may differ: they are
	// made anew after a fault, and closed when they idle. One has a descriptor, and
	// three goroutines here and there.
	slack         = 3
	perConnection = 3

	// heapGrowth is what the heap may grow by over a run, as its trend has it. Samples
	// differ by a MiB or two, by what was in use when the collector last ran. Over a
	// day's 86,400 requests 4 MiB are 49 bytes a request, less than anything takes that a
	// request is remembered by.
	heapGrowth = 4 * mebibyte
	// residentGrowth has room for the collector, which lets the heap double.
	residentGrowth = 4 * heapGrowth

	// What is written for a request: entries of the decision and the outcome, with the
	// whole of what was asked for.
	logPerRequest = 6 << 10
	// The state holds the charges of ten seconds.
	stateMost = 64 * mebibyte
)

// steady wants that nothing grows.
func steady(samples []sample) (wrong []string) {
	of := func(figure func(sample) float64) []float64 {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = figure(s)
		}
		return values
	}
	check := func(name string, grown, most, unit float64) {
		if grown > most {
			wrong = append(wrong, fmt.Sprintf("%s grew by %.1f, want at most %.1f", name, grown/unit, most/unit))
		}
	}
	requests := of(func(s sample) float64 { return s.requests })
	asked := requests[len(requests)-1] - requests[0]
	check("goroutines", quarters(of(func(s sample) float64 { return s.goroutines })), slack*perConnection, 1)
	check("descriptors", quarters(of(func(s sample) float64 { return s.descriptors })), slack, 1)
	heap, resident := of(func(s sample) float64 { return s.heap }), of(func(s sample) float64 { return s.resident })
	check("the heap (MiB)", min(slope(requests, heap)*asked, quarters(heap)), heapGrowth, mebibyte)
	check("memory (MiB)", min(slope(requests, resident)*asked, quarters(resident)), residentGrowth, mebibyte)
	log := of(func(s sample) float64 { return s.log })
	check("the audit log (bytes a request)", (log[len(log)-1]-log[0])/asked, logPerRequest, 1)
	check("the state (MiB)", samples[len(samples)-1].state, stateMost, mebibyte)
	return wrong
}

// quarters is by how much the median of the last quarter of values is above that of
// the first.
func quarters(values []float64) float64 {
	n := max(1, len(values)/4)
	return median(values[len(values)-n:]) - median(values[:n])
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// slope is that of the line of least squares.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// TestSteady sees what grows, and not what wavers.
func TestSteady(t *testing.T) {
	made := func(change func(i int, s *sample)) []sample {
		samples := make([]sample, 16)
		for i := range samples {
			samples[i] = sample{
				requests: float64(i * 1000), goroutines: float64(40 + i%3), descriptors: float64(20 + i%2),
				heap: float64(20+i%3) * mebibyte, resident: float64(60+i%5) * mebibyte, state: mebibyte, log: float64(i) * 1000 * 2000,
			}
			change(i, &samples[i])
		}
		return samples
	}
	if wrong := steady(made(func(int, *sample) {})); len(wrong) > 0 {
		t.Errorf("nothing grows: %q", wrong)
	}
	for name, change := range map[string]func(i int, s *sample){
		"goroutines":    func(i int, s *sample) { s.goroutines += float64(i) },
		"descriptors":   func(i int, s *sample) { s.descriptors += float64(i) },
		"the heap":      func(i int, s *sample) { s.heap += float64(i) * mebibyte },
		"memory":        func(i int, s *sample) { s.resident += float64(i) * 3 * mebibyte },
		"the audit log": func(i int, s *sample) { s.log *= 4 },
		"the state":     func(i int, s *sample) { s.state += float64(i) * 10 * mebibyte },
	} {
		if wrong := steady(made(change)); len(wrong) != 1 || !strings.HasPrefix(wrong[0], name) {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}
