package passthrough_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// round is how many calls each caller of one side makes before the other has its
// turn, so that what else the machine does hits both.
const round = 100

// BenchmarkPassThrough asks a real geth for its block number, directly and
// through the proxy, in turns: the median of one caller after the other, and the
// throughput of 64 at a time.
func BenchmarkPassThrough(b *testing.B) {
	n := node(b)
	p := start(b, proxy.Config{Node: n.HTTP()})
	for _, c := range []struct {
		name    string
		callers int
	}{{"latency", 1}, {"throughput", 64}} {
		b.Run(c.name, func(b *testing.B) {
			direct, through := newSide(n.HTTP(), c.callers), newSide("http://"+p.Addr(), c.callers)
			defer direct.client.CloseIdleConnections()
			defer through.client.CloseIdleConnections()
			direct.run(b, c.callers*round)
			through.run(b, c.callers*round)
			direct.reset()
			through.reset()
			for b.Loop() {
				direct.run(b, c.callers*round)
				through.run(b, c.callers*round)
			}
			overhead := through.median() - direct.median()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(direct.median().Microseconds()), "direct-p50-us")
			b.ReportMetric(float64(overhead.Microseconds()), "overhead-p50-us")
			b.ReportMetric(direct.perSecond(), "direct/s")
			b.ReportMetric(through.perSecond()/direct.perSecond()*100, "%-of-direct")
		})
	}
}

// side is one of the two ways to the node.
type side struct {
	url     string
	callers int
	client  *http.Client
	took    time.Duration
	mu      sync.Mutex
	each    []time.Duration
}

func newSide(url string, callers int) *side {
	return &side{url: url, callers: callers, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: callers, DisableCompression: true,
	}}}
}

func (s *side) reset() { s.took, s.each = 0, nil }

// run makes calls, by all callers at once.
func (s *side) run(b *testing.B, calls int) {
	b.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for range s.callers {
		wg.Go(func() {
			for range calls / s.callers {
				s.call(b)
			}
		})
	}
	wg.Wait()
	s.took += time.Since(start)
}

func (s *side) call(b *testing.B) {
	b.Helper()
	start := time.Now()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !bytes.Contains(text, []byte(`"result":"0x0"`)) {
		b.Errorf("got %s, %v", text, err)
	}
	took := time.Since(start)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each = append(s.each, took)
}

func (s *side) median() time.Duration {
	slices.Sort(s.each)
	return s.each[len(s.each)/2]
}

func (s *side) perSecond() float64 { return float64(len(s.each)) / s.took.Seconds() }
