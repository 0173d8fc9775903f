package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// kvclefMetrics is where kvclef tells its metrics.
var kvclefMetrics = regexp.MustCompile(`(?m)^Metrics +(http://127\.0\.0\.1:\d+/metrics)$`)

// spent is what kvclef's metrics say of all transactions since its start.
type spent struct {
	requests uint64
	whole    float64 // seconds in its handler, from the decoded request to the answer
	vault    float64 // seconds of them in requests to the vault
}

// own is the mean time that each of the requests since an earlier moment took without
// the vault's, in milliseconds.
func (s spent) own(since spent) float64 {
	requests := s.requests - since.requests
	if requests == 0 {
		return 0
	}
	return ((s.whole - since.whole) - (s.vault - since.vault)) * 1e3 / float64(requests)
}

// spent reads kvclef's metrics. Of Clef, which has none, nothing is known.
func (c *contender) spent(ctx context.Context) (spent, error) {
	if c.metrics == "" {
		return spent{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.metrics, http.NoBody)
	if err != nil {
		return spent{}, fmt.Errorf("asking %s for its metrics: %w", c.name, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return spent{}, fmt.Errorf("asking %s for its metrics: %w", c.name, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		return spent{}, fmt.Errorf("reading the metrics of %s: %w", c.name, err)
	}
	// of returns the count and the sum of the series that has a label, zeros if there is none.
	of := func(name, label, value string) (uint64, float64) {
		for _, series := range families[name].GetMetric() {
			for _, pair := range series.GetLabel() {
				if pair.GetName() == label && pair.GetValue() == value {
					return series.GetHistogram().GetSampleCount(), series.GetHistogram().GetSampleSum()
				}
			}
		}
		return 0, 0
	}
	requests, whole := of("kvclef_request_duration_seconds", "method", "account_signTransaction")
	_, vault := of("kvclef_vault_request_duration_seconds", "operation", "sign")
	return spent{requests, whole, vault}, nil
}
