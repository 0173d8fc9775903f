package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kvclef/kvclef/backend/keyvault"
)

// vaults are the metrics of requests to vaults, whose names are the operator's.
type vaults struct {
	total    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	throttle *prometheus.CounterVec
	retries  *prometheus.CounterVec
	held     *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	waiting  *prometheus.GaugeVec
}

func newVaults() vaults {
	return vaults{
		total:    counters("kvclef_vault_requests_total", "Requests that were sent to a vault, by the class of the HTTP status, such as 2xx; none where no answer came.", "vault", "operation", "status"),
		took:     durations("kvclef_vault_request_duration_seconds", "One request to a vault, from its first byte to its answer or its end. A retry is another.", "vault", "operation"),
		throttle: counters("kvclef_vault_throttled_total", "Answers 429: the vault wants fewer requests.", "vault"),
		retries:  counters("kvclef_vault_retries_total", "Requests that are sent again after one that failed in passing.", "vault", "operation"),
		held:     counters("kvclef_vault_held_back_total", "Requests that were not sent: the vault's limit would have let them wait too long (limit), or it is out of reach (circuit).", "vault", "reason"),
		inFlight: gauges("kvclef_vault_requests_in_flight", "Requests to a vault that are under way.", "vault"),
		waiting:  gauges("kvclef_vault_requests_waiting", "Requests to a vault that wait for their turn.", "vault"),
	}
}

func (v *vaults) all() []prometheus.Collector {
	return []prometheus.Collector{v.total, v.took, v.throttle, v.retries, v.held, v.inFlight, v.waiting}
}

// Answered counts a request to a vault, and tells what it was made for.
func (m *Metrics) Answered(ctx context.Context, vault, operation string, status int, took time.Duration) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.elsewhere.Add(int64(took))
	}
	m.vaults.total.WithLabelValues(vault, operation, class(status)).Inc()
	m.vaults.took.WithLabelValues(vault, operation).Observe(took.Seconds())
	if status == http.StatusTooManyRequests {
		m.vaults.throttle.WithLabelValues(vault).Inc()
	}
}

// class is the class of an HTTP status.
func class(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// Waiting counts requests that wait for their turn.
func (m *Metrics) Waiting(vault string, more int) {
	m.vaults.waiting.WithLabelValues(vault).Add(float64(more))
}

// InFlight counts requests that are under way.
func (m *Metrics) InFlight(vault string, more int) {
	m.vaults.inFlight.WithLabelValues(vault).Add(float64(more))
}

// Retried counts a request that is sent again.
func (m *Metrics) Retried(vault, operation string) {
	m.vaults.retries.WithLabelValues(vault, operation).Inc()
}

// HeldBack counts a request that was not sent.
func (m *Metrics) HeldBack(vault string, why keyvault.HeldBack) {
	m.vaults.held.WithLabelValues(vault, string(why)).Inc()
}
