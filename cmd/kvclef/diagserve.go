package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"runtime/pprof"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/cmd/kvclef/metrics"
)

// runningDiag is what a signer that runs tells for a bug report, on the admin socket.
type runningDiag struct {
	Version versionInfo     `json:"version"`
	Started time.Time       `json:"started"`
	Ready   health.Report   `json:"ready"`
	Vaults  []metrics.Vault `json:"vaults"`
	Decides []metrics.File  `json:"decides"`

	Metrics    string `json:"metrics"`
	Goroutines string `json:"goroutines"`
	Limits     string `json:"limits"` // of the process
}

// about is what is told in one file; the rest has files of its own.
func (r runningDiag) about() runningDiag {
	r.Metrics, r.Goroutines, r.Limits = "", "", ""
	return r
}

// serveDiag lets kvclef diag ask.
func (s *signing) serveDiag(ready *health.Readiness, sources *metrics.Sources) {
	if s.state.admin == nil {
		return
	}
	started := time.Now().UTC()
	s.state.admin.Mount(admin.PathDiag, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		told := runningDiag{
			Version: buildVersion(), Started: started, Ready: ready.Report(r.Context()), Vaults: sources.Vaults(), Decides: sources.Policy(),
		}
		var b bytes.Buffer
		if err := s.watch.metrics.WriteText(&b); err == nil {
			told.Metrics = b.String()
		}
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err == nil {
			told.Goroutines = stacks.String()
		}
		if text, err := os.ReadFile("/proc/self/limits"); err == nil {
			told.Limits = string(text)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(told); err != nil {
			s.log.DebugContext(r.Context(), "Answer not sent", "error", err)
		}
	}))
}
