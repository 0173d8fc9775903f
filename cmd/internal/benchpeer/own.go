package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// kvclefMetrics is where kvclef tells its metrics.
var kvclefMetrics = regexp.MustCompile(`(?m)^Metrics +(http://127\.0\.0\.1:\d+/metrics)$`)

// spent is what kvclef's metrics say of its own part of all transactions since its start.
type spent struct {
	requests uint64
	seconds  float64
	within   []bucket
}

// bucket is how many requests took no longer than so many seconds.
type bucket struct {
	most     float64
	requests uint64
}

// mean is what each of the requests since an earlier moment took on average, in milliseconds.
func (s spent) mean(since spent) float64 {
	if s.requests == since.requests {
		return 0
	}
	return (s.seconds - since.seconds) * 1e3 / float64(s.requests-since.requests)
}

// percentile is what so many percent of the requests since an earlier moment did not exceed,
// in milliseconds: between the bounds of a bucket, where a straight line has it. What is
// above all bounds counts as the last.
func (s spent) percentile(since spent, percent float64) float64 {
	wanted := float64(s.requests-since.requests) * percent / 100
	var below, least float64
	for i, b := range s.within {
		n := float64(b.requests)
		if i < len(since.within) {
			n -= float64(since.within[i].requests)
		}
		if n >= wanted && n > below {
			return (least + (b.most-least)*(wanted-below)/(n-below)) * 1e3
		}
		below, least = n, b.most
	}
	return least * 1e3
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
	var found spent
	for _, series := range families["kvclef_request_own_duration_seconds"].GetMetric() {
		for _, pair := range series.GetLabel() {
			if pair.GetName() != "method" || pair.GetValue() != "account_signTransaction" {
				continue
			}
			histogram := series.GetHistogram()
			found = spent{requests: histogram.GetSampleCount(), seconds: histogram.GetSampleSum()}
			for _, b := range histogram.GetBucket() {
				if !math.IsInf(b.GetUpperBound(), 1) {
					found.within = append(found.within, bucket{b.GetUpperBound(), b.GetCumulativeCount()})
				}
			}
		}
	}
	return found, nil
}
