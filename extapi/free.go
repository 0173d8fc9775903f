package extapi

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// CheckFree tells that another program has what a listener is to be opened at, before
// there is anything to serve. It is not opened, so that nobody is kept waiting or
// sent away; whoever takes the place in between is found when it is.
func (c ServerConfig) CheckFree(ctx context.Context) error {
	var problems []error
	if c.IPCPath != "" {
		if _, err := staleSocket(ctx, c.IPCPath); err != nil {
			problems = append(problems, fmt.Errorf("opening IPC endpoint %s: %w", c.IPCPath, err))
		}
	}
	if c.HTTPAddr != "" {
		problems = append(problems, CheckPortFree(ctx, "HTTP listener", c.HTTPAddr))
	}
	return errors.Join(problems...)
}

// CheckPortFree is CheckFree of any listener on host:port. An address that can't be had for
// another reason is left to the opening: it may be there by then.
func CheckPortFree(ctx context.Context, what, addr string) error {
	if err := bind(ctx, addr); errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("opening %s %s: %w", what, addr, err)
	}
	return nil
}
