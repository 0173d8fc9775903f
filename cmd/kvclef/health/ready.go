package health

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	lookTimeout = 3 * time.Second
	lookAge     = time.Second // how old a report may be: what is looked at is not asked for each request
)

// Check is something that is needed to sign.
type Check struct {
	Name string

	// Look returns nil if it is there, else why not, in words for everybody: a
	// [ReasonError]. What else it returns is logged, and told as "not usable".
	Look func(context.Context) error
}

// ReasonError is why something is not there, without secrets and addresses.
type ReasonError string

// Error returns the text.
func (r ReasonError) Error() string { return string(r) }

// Report is what /readyz tells.
type Report struct {
	Ready  bool     `json:"ready"` // everything is there
	Checks []Result `json:"checks"`
}

// Result is what came of a check.
type Result struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// Readiness looks whether a signer can sign.
type Readiness struct {
	checks func() []Check
	log    *slog.Logger

	turn chan struct{} // holds one element: whoever takes it may look, and see last
	last Report
	when time.Time
}

// NewReadiness returns a readiness of checks, which are asked for each time.
func NewReadiness(checks func() []Check, log *slog.Logger) *Readiness {
	r := &Readiness{checks: checks, log: log, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// Report looks at everything at the same time, within a few seconds. A check that does
// not come back is one that failed.
func (r *Readiness) Report(ctx context.Context) Report {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return Report{Checks: []Result{}}
	}
	defer func() { r.turn <- struct{}{} }()
	if !r.when.IsZero() && time.Since(r.when) < lookAge {
		return r.last
	}
	checks := r.checks()
	report := Report{Ready: true, Checks: make([]Result, len(checks))}
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { report.Checks[i] = r.look(looking, check) })
	}
	all.Wait()
	report.Ready = !slices.ContainsFunc(report.Checks, func(c Result) bool { return !c.OK })
	if report.Ready != r.last.Ready && !r.when.IsZero() {
		r.log.InfoContext(ctx, "Readiness changed", "ready", report.Ready, "checks", report.failed())
	}
	r.last, r.when = report, time.Now()
	return report
}

// look looks at one thing.
func (r *Readiness) look(ctx context.Context, check Check) Result {
	err := check.Look(ctx)
	switch reason, told := err.(ReasonError); { //nolint:errorlint // what wraps a reason may hold more than that
	case err == nil:
		return Result{Name: check.Name, OK: true}
	case told:
		return Result{Name: check.Name, Reason: string(reason)}
	default:
		r.log.WarnContext(ctx, "Not ready", "check", check.Name, "error", err)
		return Result{Name: check.Name, Reason: "not usable: the log says why"}
	}
}

// failed names what is not there.
func (r *Report) failed() []string {
	names := []string{}
	for _, check := range r.Checks {
		if !check.OK {
			names = append(names, check.Name)
		}
	}
	return names
}
