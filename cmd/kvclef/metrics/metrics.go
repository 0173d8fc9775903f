// Package metrics counts what a signer does, for Prometheus.
//
// It never holds up what it counts. No caller can make series: methods are those that
// are answered, principals those that the operator has named, and all else is one
// series, "other". No label and no value tells of an account's keys, of call data, or of
// a secret.
package metrics

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
)

// other is the label of what has no series of its own.
const other = "other"

// maxPrincipals bounds the principals that have series of their own.
const maxPrincipals = 100

// Build is what is counted.
type Build struct{ Version, Revision, Go string }

// Metrics are the metrics of one signer. It implements extapi.Observer,
// keyvault.Observer and proxy.Observer.
type Metrics struct {
	registry   *prometheus.Registry
	methods    map[string]bool
	principals atomic.Pointer[map[string]bool]
	sources    atomic.Pointer[Sources]

	requests requests
	vaults   vaults
	disk     disk
	limits   limits
	proxied  proxied
	webhooks *prometheus.CounterVec
}

// buckets are those of durations, in seconds: from what a decision takes to what no
// caller waits for.
func buckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// New returns metrics that are gathered from a registry.
func New(registry *prometheus.Registry, build Build) (*Metrics, error) {
	m := &Metrics{
		registry: registry, methods: make(map[string]bool),
		requests: newRequests(), vaults: newVaults(), disk: newDisk(), limits: newLimits(), proxied: newProxied(),
		webhooks: counters("kvclef_webhook_attempts_total", "Messages to webhooks that were sent, or not, by what came of it.", "result"),
	}
	for _, method := range slices.Concat(extapi.Methods(), proxy.NodeMethods()) {
		m.methods[method] = true
	}
	m.NamePrincipals(nil)
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kvclef_build_info", Help: "Which kvclef this is. Always 1.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.Go},
	}, func() float64 { return 1 })
	all := []prometheus.Collector{
		info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.webhooks,
		gatherer{&m.sources, newDescriptions()},
	}
	for _, c := range slices.Concat(all, m.requests.all(), m.vaults.all(), m.disk.all(), m.limits.all(), m.proxied.all()) {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// NamePrincipals says who has series of their own, beside the callers of the socket
// and those whom nothing proves: the operator's own names, of which the first 100 in
// their order count.
func (m *Metrics) NamePrincipals(names []string) {
	named := map[string]bool{extapi.Anonymous: true, extapi.Local: true}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if len(named) < maxPrincipals {
			named[name] = true
		}
	}
	m.principals.Store(&named)
}

// Watch says what is asked for the rest when metrics are gathered.
func (m *Metrics) Watch(sources *Sources) { m.sources.Store(sources) }

// Webhook is told what came of an attempt to deliver a message.
func (m *Metrics) Webhook(result string) { m.webhooks.WithLabelValues(result).Inc() }

// WriteText writes all metrics in Prometheus' text format.
func (m *Metrics) WriteText(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("gathering metrics: %w", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("writing metrics: %w", err)
		}
	}
	return nil
}

// among returns a label that is known, or other.
func among(known map[string]bool, label string) string {
	if known[label] {
		return label
	}
	return other
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func durations(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets()}, labels)
}
