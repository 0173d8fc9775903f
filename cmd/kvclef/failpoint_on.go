//go:build failpoint

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// failpointVariable names the place where the process kills itself, and which
// passing of it is the last: "signer.after-sign:3" is the third.
const failpointVariable = "FAILPOINT_OF_KVCLEF"

// failpoint is a place in the path of a request. Each seam has a counter of
// its own, so that a name must belong to one seam alone.
type failpoint struct {
	name string // "": none
	left atomic.Int64
}

// newFailpoint reads the variable.
func newFailpoint() *failpoint {
	name, count, found := strings.Cut(os.Getenv(failpointVariable), ":")
	if !found {
		return new(failpoint)
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("%s: %q is no number of passings", failpointVariable, count))
	}
	point := &failpoint{name: name}
	point.left.Store(n)
	return point
}

// pass ends the process as a power cut would end it: nothing is flushed, no
// deferred function runs.
func (p *failpoint) pass(name string) {
	if name != p.name || p.left.Add(-1) != 0 {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

// withFailpoints puts failpoints around all that a request passes.
func withFailpoints(cfg extapi.Config) extapi.Config {
	point := newFailpoint()
	cfg.Decider = failingDecider{cfg.Decider, point}
	cfg.Signer = failingSigner{cfg.Signer, point}
	cfg.Auditor = failingAuditor{cfg.Auditor, point}
	return cfg
}

type failingDecider struct {
	extapi.Decider
	point *failpoint
}

func (d failingDecider) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	d.point.pass("decider.before-decide")
	decision, err := d.Decider.Decide(ctx, req)
	d.point.pass("decider.after-decide")
	return decision, err
}

func (d failingDecider) Settle(ctx context.Context, req *rules.Request, decision rules.Decision, result rules.Result) error {
	d.point.pass("decider.before-settle")
	err := d.Decider.Settle(ctx, req, decision, result)
	d.point.pass("decider.after-settle")
	return err
}

type failingSigner struct {
	extapi.Signer
	point *failpoint
}

func (s failingSigner) Queue(ctx context.Context, address common.Address, caller string, weight int) (extapi.Place, error) {
	return queueAt(ctx, s.Signer, address, caller, weight)
}

func (s failingSigner) Sign(ctx context.Context, address common.Address, digest common.Hash) (extapi.Signed, error) {
	s.point.pass("signer.before-sign")
	signed, err := s.Signer.Sign(ctx, address, digest)
	s.point.pass("signer.after-sign")
	return signed, err
}

type failingAuditor struct {
	extapi.Auditor
	point *failpoint
}

func (a failingAuditor) Append(ctx context.Context, entry audit.Entry) error {
	a.point.pass("auditor.before-" + string(entry.Event))
	err := a.Auditor.Append(ctx, entry)
	a.point.pass("auditor.after-" + string(entry.Event))
	return err
}

// failpointHook returns what the store and the audit log call at their points.
func failpointHook() func(point string) { return newFailpoint().pass }
