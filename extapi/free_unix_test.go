//go:build unix

package extapi

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPortFree compares what is said of a port with what comes of listening there, for each
// pair of addresses of this machine.
func TestPortFree(t *testing.T) {
	hosts := []string{"127.0.0.1", "localhost", "0.0.0.0", "::1", "::", ""}
	both := map[bool]int{}
	for _, taken := range hosts {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(taken, "0"))
		if err != nil {
			t.Logf("this machine has no %q: %v", taken, err)
			continue
		}
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range hosts {
			both[compareFree(t, net.JoinHostPort(host, port))]++
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		both[compareFree(t, net.JoinHostPort(taken, port))]++
	}
	if both[true] == 0 || both[false] == 0 {
		t.Errorf("nothing is compared: %v", both)
	}
	if err := CheckPortFree(t.Context(), "listener", "192.0.2.1:8550"); err != nil {
		t.Errorf("an address of another machine is for the opening to tell: %v", err)
	}
}

// compareFree compares what is said of one with what comes of listening there, before and
// after: another program of this machine may come or go meanwhile.
func compareFree(t *testing.T, addr string) (free bool) {
	t.Helper()
	listen := func() error {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			return err
		}
		return listener.Close()
	}
	before, said, after := listen(), CheckPortFree(t.Context(), "listener", addr), listen()
	taken := errors.Is(before, syscall.EADDRINUSE)
	switch {
	case errors.Is(after, syscall.EADDRINUSE) != taken: // it came or went
	case errors.Is(said, syscall.EADDRINUSE) != taken:
		t.Errorf("of %q is said: %v; listening says: %v", addr, said, before)
	case taken && said.Error() != "opening listener "+addr+": "+before.Error():
		t.Errorf("said %v, listening says %v", said, before)
	}
	return said == nil
}

// TestCheckFree: a socket that answers, and a port that is taken; looking opens and removes
// nothing.
func TestCheckFree(t *testing.T) {
	dir := t.TempDir()
	cfg := ServerConfig{IPCPath: filepath.Join(dir, "a.ipc"), HTTPAddr: "127.0.0.1:0"}
	if err := cfg.CheckFree(t.Context()); err != nil {
		t.Fatal(err)
	}
	socket, err := new(net.ListenConfig).Listen(t.Context(), "unix", cfg.IPCPath)
	if err != nil {
		t.Fatal(err)
	}
	port, err := new(net.ListenConfig).Listen(t.Context(), "tcp", cfg.HTTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	cfg.HTTPAddr = port.Addr().String()
	err = cfg.CheckFree(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a.ipc: another signer is listening there") || !strings.Contains(err.Error(), "opening HTTP listener "+cfg.HTTPAddr) {
		t.Errorf("got %v", err)
	}
	if left, ok := socket.(*net.UnixListener); ok {
		left.SetUnlinkOnClose(false)
	}
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.HTTPAddr = ""
	for range 2 { // it is still there
		if stale, err := staleSocket(t.Context(), cfg.IPCPath); !stale || err != nil {
			t.Errorf("left by a dead process: %v, %v", stale, err)
		}
		if err := cfg.CheckFree(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
