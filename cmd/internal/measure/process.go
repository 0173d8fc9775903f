// Package measure starts programs and reads from the outside what they take of
// the machine: processor time, memory, descriptors and threads. It is for
// benchmarks and tests on Linux, and never asks the programs themselves.
package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const (
	patience = time.Minute      // how long a program may take to start
	grace    = 20 * time.Second // how long it may take to end before it is killed
)

// Process is a program that was started. What it prints is in a file, so that
// nobody's time is taken by reading it.
type Process struct {
	name   string
	output string
	cancel context.CancelFunc
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // why; read it after done
}

// Start starts cmd, which has no output set yet. It is interrupted when ctx ends
// or by Stop. Its standard output and
// standard error go to the file output.
func Start(ctx context.Context, output string, cmd *exec.Cmd) (*Process, error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the file of what %s prints: %w", cmd.Path, err)
	}
	defer file.Close() //nolint:errcheck // the program has it, nothing was written here
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{name: cmd.Path, output: output, cancel: cancel, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	go p.endWith(ctx)
	return p, nil
}

// endWith ends the program when ctx does.
func (p *Process) endWith(ctx context.Context) {
	select {
	case <-p.done:
		return
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended by itself
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		_ = p.cmd.Process.Kill()
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop interrupts the program and waits for its end. It is an error if the
// program ended by itself before, or not well.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended by itself, with %s: %s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
	}
	p.cancel()
	<-p.done
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && !exit.Exited() && exit.String() == "signal: interrupt" {
		return nil // it took the interrupt as programs do that don't ask for it
	}
	if p.err != nil {
		return fmt.Errorf("%s did not end well: %w: %s", p.name, p.err, p.lastWords())
	}
	return nil
}

// Await tries until ready returns nil, for a minute at most or until the
// program ends.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.done:
			return fmt.Errorf("%s ended at its start, with %s: %s", p.name, p.cmd.ProcessState, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w: %s", p.name, ctx.Err(), err, p.lastWords())
		}
	}
}

// Printed returns the first group of the last match of pattern in what the
// program has printed.
func (p *Process) Printed(pattern *regexp.Regexp) (string, error) {
	text, err := os.ReadFile(p.output)
	if err != nil {
		return "", fmt.Errorf("reading what %s printed: %w", p.name, err)
	}
	all := pattern.FindAllSubmatch(text, -1)
	if len(all) == 0 {
		return "", fmt.Errorf("%s has printed nothing like %q", p.name, pattern)
	}
	return string(all[len(all)-1][1]), nil
}

// lastWords is the end of what the program printed.
func (p *Process) lastWords() string {
	const kept = 2 << 10
	text, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-kept):]))
}
