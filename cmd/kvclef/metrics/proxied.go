package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// proxied are the metrics of calls at the listener in front of a node.
type proxied struct {
	total *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newProxied() proxied {
	return proxied{
		total: counters("kvclef_proxy_calls_total", "Calls at the listener in front of a node, those that are answered here included, by what became of them.", "method", "outcome"),
		took:  durations("kvclef_proxy_call_duration_seconds", "From a call at that listener to its answer or its end. What is refused is not in it.", "method"),
	}
}

func (p *proxied) all() []prometheus.Collector { return []prometheus.Collector{p.total, p.took} }

// Called counts a call at the listener in front of a node.
func (m *Metrics) Called(method string, outcome proxy.Outcome, took time.Duration) {
	method = among(m.methods, method)
	m.proxied.total.WithLabelValues(method, string(outcome)).Inc()
	if outcome != proxy.OutcomeRefused {
		m.proxied.took.WithLabelValues(method).Observe(took.Seconds())
	}
}
