package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// frequency is how often perf looks, a second: a prime, so that it does not keep
// step with what it looks at.
const frequency = "499"

// record has Linux's perf look at the contender until finish is called, and write to
// NAME.perf in the folder. Without a folder nothing is recorded.
func (c *contender) record(ctx context.Context, folder string) (finish func() error, err error) {
	if folder == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of profiles: %w", err)
	}
	path := filepath.Join(folder, c.name+".perf")
	// Go's programs keep frame pointers, so that stacks are cheap and whole.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "perf", "record", "--quiet", "--call-graph", "fp", "--freq", frequency, //nolint:gosec // our own contender
		"--pid", strconv.Itoa(c.process.PID()), "--output", path)
	perf, err := measure.Start(ctx, filepath.Join(folder, c.name+".log"), cmd)
	if err != nil {
		return nil, fmt.Errorf("recording with perf (Debian's package linux-perf): %w", err)
	}
	return func() error {
		if err := perf.Stop(); err != nil {
			return fmt.Errorf("recording %s with perf, which needs root or a kernel.perf_event_paranoid that permits it: %w", c.name, err)
		}
		return nil
	}, nil
}
