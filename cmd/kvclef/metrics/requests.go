package metrics

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kvclef/kvclef/extapi"
)

// requests are the metrics of the external API.
type requests struct {
	total    *prometheus.CounterVec
	inFlight prometheus.Gauge
	whole    *prometheus.HistogramVec
	own      *prometheus.HistogramVec
	steps    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	unclear  prometheus.Counter
}

func newRequests() requests {
	r := requests{
		total:    counters("kvclef_requests_total", "Requests that were answered: the verdict, none if it came to no decision, and the JSON-RPC code that the caller was told, 0 for a result.", "method", "principal", "verdict", "code"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kvclef_requests_in_flight", Help: "Requests that are not answered yet, those that people think about included."}),
		whole:    durations("kvclef_request_duration_seconds", "From a decoded request to its answer, people included.", "method"),
		own: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kvclef_request_own_duration_seconds",
			Help:    "kvclef's own part of what a method of account_ took, disk included: without the wait for a turn at the vault, and without the vault. Not of requests that failed, and of none that people were asked about.",
			Buckets: []float64{.0001, .0002, .0003, .0004, .0005, .0006, .0008, .001, .0015, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"method"}),
		steps:    durations("kvclef_request_step_duration_seconds", "Parts of the work on requests: queue (for a turn at the vault), decide (rules, limits and people), record (audit log), sign (vault), settle.", "step"),
		failures: counters("kvclef_request_step_failures_total", "Parts of the work on requests that failed. A refusal by rules is no failure.", "step"),
		unclear:  prometheus.NewCounter(prometheus.CounterOpts{Name: "kvclef_requests_unclear_total", Help: "Requests after which a signature may exist that no caller has got. What they count against limits stays counted."}),
	}
	for _, step := range extapi.Steps() {
		r.steps.WithLabelValues(string(step))
		r.failures.WithLabelValues(string(step))
	}
	return r
}

func (r *requests) all() []prometheus.Collector {
	return []prometheus.Collector{r.total, r.inFlight, r.whole, r.own, r.steps, r.failures, r.unclear}
}

// request is one request that is counted when it ends.
type request struct {
	to                *requests
	method, principal string
	began             time.Time
	elsewhere         atomic.Int64 // nanoseconds in the queue and at vaults
}

// requestKey is the context's key of the request.
type requestKey struct{}

// Begin counts a request that is not answered yet.
func (m *Metrics) Begin(ctx context.Context, asked extapi.Asked) (context.Context, extapi.Observation) {
	m.requests.inFlight.Inc()
	r := &request{
		to: &m.requests, began: time.Now(),
		method: among(m.methods, asked.Method), principal: among(*m.principals.Load(), asked.Principal),
	}
	return context.WithValue(ctx, requestKey{}, r), r
}

// Step counts how long a part of the work takes, and whether it fails.
func (r *request) Step(ctx context.Context, step extapi.Step) (context.Context, func(error)) {
	began := time.Now()
	return ctx, func(err error) {
		took := time.Since(began)
		r.to.steps.WithLabelValues(string(step)).Observe(took.Seconds())
		if step == extapi.StepQueue {
			r.elsewhere.Add(int64(took))
		}
		if err != nil {
			r.to.failures.WithLabelValues(string(step)).Inc()
		}
	}
}

// End counts the request.
func (r *request) End(ending extapi.Ending) {
	r.to.inFlight.Dec()
	took := time.Since(r.began)
	r.to.whole.WithLabelValues(r.method).Observe(took.Seconds())
	if ending.Code == 0 && !ending.Asked && strings.HasPrefix(r.method, "account_") {
		r.to.own.WithLabelValues(r.method).Observe((took - time.Duration(r.elsewhere.Load())).Seconds())
	}
	verdict := "none"
	if ending.Judged {
		verdict = ending.Verdict.String()
	}
	r.to.total.WithLabelValues(r.method, r.principal, verdict, strconv.Itoa(ending.Code)).Inc()
	var unclear interface{ MayBeSigned() bool }
	if errors.As(ending.Err, &unclear) && unclear.MayBeSigned() {
		r.to.unclear.Inc()
	}
}
