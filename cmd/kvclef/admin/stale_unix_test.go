//go:build unix

package admin

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestBusySocketIsKept: a socket whose queue is full is somebody's, and so is one of
// which nobody knows.
func TestBusySocketIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	open := true
	hangUp := func() {
		if open {
			_ = syscall.Close(fd)
		}
		open = false
	}
	t.Cleanup(hangUp)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	kept := func(ctx context.Context, what string) {
		t.Helper()
		if err := RemoveStale(ctx, path); err == nil {
			t.Errorf("%s: it was taken for stale", what)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	kept(t.Context(), "answered")
	dialer := net.Dialer{Timeout: 100 * time.Millisecond}
	for range 64 {
		conn, err := dialer.DialContext(t.Context(), "unix", path)
		if err != nil {
			break // the queue is full
		}
		defer conn.Close()
	}
	kept(t.Context(), "busy")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	kept(gone, "asked in vain")
	hangUp()
	if err := RemoveStale(t.Context(), path); err != nil {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("it is left")
	}
}
