package metrics

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// disk are the metrics of what is made durable.
type disk struct {
	append, auditSync, storeSync prometheus.Histogram
	failures                     prometheus.Counter
}

func newDisk() disk {
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets()})
	}
	return disk{
		append:    histogram("kvclef_audit_append_duration_seconds", "Until an entry of the audit log is durable."),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "kvclef_audit_append_failures_total", Help: "Entries that the audit log did not take. What they are about is not signed."}),
		auditSync: histogram("kvclef_audit_fsync_duration_seconds", "One flush of the audit log, which waiting entries share."),
		storeSync: histogram("kvclef_store_commit_duration_seconds", "One transaction of the store with its flush, which waiting changes share."),
	}
}

func (d *disk) all() []prometheus.Collector {
	return []prometheus.Collector{d.append, d.auditSync, d.storeSync, d.failures}
}

// Appended counts an entry of the audit log.
func (m *Metrics) Appended(took time.Duration, err error) {
	m.disk.append.Observe(took.Seconds())
	if err != nil {
		m.disk.failures.Inc()
	}
}

// Committed counts a transaction of a store that makes several at the same time.
func (m *Metrics) Committed(took time.Duration) { m.disk.storeSync.Observe(took.Seconds()) }

// The points at which a store calls its hook.
const (
	storeCommits   = "store.before-commit"
	storeCommitted = "store.after-commit"
)

// Hook returns what a store or an audit log is to call at its points, to count how
// long flushes take. Each writer gets one of its own. What was there before is called
// first; nil is nothing.
func (m *Metrics) Hook(before func(point string)) func(point string) {
	var mu sync.Mutex // a writer is one goroutine, but for what opens a store
	var began time.Time
	return func(point string) {
		if before != nil {
			before(point)
		}
		mu.Lock()
		defer mu.Unlock()
		switch point {
		case audit.PointWritten, storeCommits:
			began = time.Now()
		case audit.PointSynced:
			m.disk.auditSync.Observe(time.Since(began).Seconds())
		case storeCommitted:
			m.disk.storeSync.Observe(time.Since(began).Seconds())
		}
	}
}

// limits are the metrics of what is held of limits.
type limits struct {
	holds *prometheus.CounterVec
	took  prometheus.Histogram
}

// The results of a hold.
const (
	resultHeld  = "held"
	resultOver  = "over_limit"
	resultError = "error"
)

func newLimits() limits {
	l := limits{
		holds: counters("kvclef_limit_holds_total", "Holds of what requests count against limits: held, over_limit (refused, or left to people), or error.", "result"),
		took:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kvclef_limit_hold_duration_seconds", Help: "Until a hold counts. In a file it is durable with the entry of its decision, in a database at once.", Buckets: buckets()}),
	}
	for _, result := range []string{resultHeld, resultOver, resultError} {
		l.holds.WithLabelValues(result)
	}
	return l
}

func (l *limits) all() []prometheus.Collector { return []prometheus.Collector{l.holds, l.took} }

// Held counts a hold.
func (m *Metrics) Held(took time.Duration, err error) {
	m.limits.took.Observe(took.Seconds())
	var over *rules.OverLimitError
	switch {
	case err == nil:
		m.limits.holds.WithLabelValues(resultHeld).Inc()
	case errors.As(err, &over):
		m.limits.holds.WithLabelValues(resultOver).Inc()
	default:
		m.limits.holds.WithLabelValues(resultError).Inc()
	}
}
