package devnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	patience = time.Minute      // how long a program may take to start
	grace    = 20 * time.Second // how long it may take to end before it is killed
)

// process is a child program. It is asked to end by an interrupt.
type process struct {
	cancel  context.CancelFunc
	command *exec.Cmd
	output  *lines
	done    chan struct{} // closed when the program has ended
	err     error         // why it ended; read it after done
}

// start starts a program that ends with ctx. Each line that it writes goes to
// each and, when log is not nil, to log.
func start(ctx context.Context, log io.Writer, each func(line []byte), program string, args ...string) (*process, error) {
	return startIn(ctx, nil, log, each, program, args...)
}

// startIn is start with an environment; nil is this program's.
func startIn(ctx context.Context, env []string, log io.Writer, each func(line []byte), program string, args ...string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	output := &lines{log: log, each: each}
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the caller's own program
	cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	p := &process{cancel: cancel, command: cmd, output: output, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop interrupts the program and waits for its end. A program that took the
// interrupt as it should is no error.
func (p *process) stop() error {
	p.cancel()
	<-p.done
	var exit *exec.ExitError
	if errors.Is(p.err, context.Canceled) || errors.As(p.err, &exit) && !exit.Exited() {
		return nil
	}
	return p.err
}

// kill ends the program without asking it, and waits for its end.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended by itself
	<-p.done
	p.cancel()
}

// lastWords are the last lines that the program wrote.
func (p *process) lastWords() string { return p.output.tail() }

// lines takes what a program writes, line by line.
type lines struct {
	log  io.Writer
	each func(line []byte)

	mu      sync.Mutex
	partial []byte
	recent  []string
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, text...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			break
		}
		l.take(line)
		l.partial = rest
	}
	if l.log == nil {
		return len(text), nil
	}
	return l.log.Write(text)
}

func (l *lines) take(line []byte) {
	const kept = 10
	if l.recent = append(l.recent, string(line)); len(l.recent) > kept {
		l.recent = l.recent[1:]
	}
	if l.each != nil {
		l.each(line)
	}
}

func (l *lines) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.recent, "\n")
}
