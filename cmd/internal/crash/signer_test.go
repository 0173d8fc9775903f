package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// signer is a running kvclef.
type signer struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when its socket is open
	ended chan struct{} // closed when it is gone
	said  said
	err   error // of its end
}

// start starts a signer. It is killed when ctx ends.
func start(ctx context.Context, dir, program string, env []string, args ...string) (*signer, error) {
	s := &signer{cmd: exec.CommandContext(ctx, program, args...), ready: make(chan struct{}), ended: make(chan struct{})}
	s.said.ready = s.ready
	s.cmd.Dir, s.cmd.Env = dir, env
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

// await waits until the signer is ready. It returns false if it was killed
// before, and an error if it ended otherwise.
func (s *signer) await(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-s.ready:
		return true, nil
	case <-s.ended:
		return false, s.dead()
	case <-ctx.Done():
		return false, fmt.Errorf("kvclef does not get ready: %w\n%s", ctx.Err(), &s.said)
	}
}

// kill ends the signer as a crash does.
func (s *signer) kill() { _ = s.cmd.Process.Kill() }

// dead waits for the end, and returns an error if the signer was not killed.
func (s *signer) dead() error {
	<-s.ended
	var exit *exec.ExitError
	if errors.As(s.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("kvclef ended by itself: %w\n%s", s.err, &s.said)
}

// stop ends the signer in good order.
func (s *signer) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.kill()
		<-s.ended
	}
	if s.err != nil {
		return fmt.Errorf("kvclef did not end well: %w\n%s", s.err, &s.said)
	}
	return nil
}

// said is the end of what a process says.
type said struct {
	mu    sync.Mutex
	text  []byte
	ready chan<- struct{} // closed when the process names its socket; nil then
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	const kept = 16 << 10
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	if s.ready != nil && bytes.Contains(s.text, []byte("IPC ")) {
		close(s.ready)
		s.ready = nil
	}
	if len(s.text) > 2*kept {
		s.text = append(s.text[:0], s.text[len(s.text)-kept:]...)
	}
	return len(p), nil
}

// String returns the last of what was said.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(string(s.text))
}
