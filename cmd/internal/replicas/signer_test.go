//go:build linux

package replicas_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// signer is a replica that runs, and where it listens.
type signer struct {
	name    string
	command *exec.Cmd
	log     *output
	done    chan error

	ipc, https, metrics, proxy string // host:port but for the first
}

// What a replica prints of its listeners.
var (
	printedIPC     = regexp.MustCompile(`(?m)^IPC +(\S+)$`)
	printedHTTPS   = regexp.MustCompile(`(?m)^HTTP +https://(\S+)$`)
	printedProxy   = regexp.MustCompile(`(?m)^Proxy +https://(\S+)$`)
	printedMetrics = regexp.MustCompile(`(?m)^Metrics http://(\S+)/metrics$`)
)

// start starts a replica, and returns when it listens.
func (h *house) start(t *testing.T, name string) *signer {
	t.Helper()
	s := &signer{name: name, log: newOutput(), done: make(chan error, 1)}
	s.command = h.command(context.WithoutCancel(t.Context()), name, h.serve)
	s.command.Stdout, s.command.Stderr = s.log, s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with the tests, however they end
	must(t, s.command.Start())
	go func() { s.done <- s.command.Wait() }()
	t.Cleanup(func() { s.end(t, syscall.SIGKILL) })
	s.metrics = s.printed(t, printedMetrics) // the last
	s.ipc, s.https = s.printed(t, printedIPC), s.printed(t, printedHTTPS)
	if h.serve == "proxy" || h.hosts {
		s.proxy = s.printed(t, printedProxy)
	}
	return s
}

// printed waits until a replica has printed something, and returns what it is.
func (s *signer) printed(t *testing.T, what *regexp.Regexp) string {
	t.Helper()
	late := time.After(patience)
	for {
		grown := s.log.grown()
		if found := what.FindStringSubmatch(s.log.String()); found != nil {
			return found[1]
		}
		select {
		case <-grown:
		case ended := <-s.done:
			s.done <- ended
			t.Fatalf("%s ended: %v\n%s", s.name, ended, s.log)
		case <-late:
			t.Fatalf("%s does not print %v:\n%s", s.name, what, s.log)
		}
	}
}

// signal sends a signal.
func (s *signer) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	must(t, s.command.Process.Signal(signal))
}

// end ends a replica, and waits for that.
func (s *signer) end(t *testing.T, signal os.Signal) {
	t.Helper()
	_ = s.command.Process.Signal(signal) // it may have ended
	select {
	case err := <-s.done:
		s.done <- err
	case <-time.After(patience):
		t.Errorf("%s does not end:\n%s", s.name, s.log)
	}
}

// output is what a program prints, while it does.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed when there is more
}

func newOutput() *output { return &output{more: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(text)
}

// String is all that was printed.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// grown is closed when more is printed.
func (o *output) grown() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.more
}
