package main

import (
	"bytes"
	"net"
	"path/filepath"
	"runtime"
	"testing"
)

// TestNotifyReady is told once the listeners are open, and only where somebody listens.
func TestNotifyReady(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no unixgram on Windows")
	}
	path := filepath.Join(t.TempDir(), "notify.sock")
	manager, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	var out bytes.Buffer
	p := &program{stdout: &out, stderr: &out}
	if err := p.announceService(t.Context())(addresses{ipc: "/run/kvclef.ipc"}, nil); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 100)
	n, _, err := manager.ReadFrom(word)
	if err != nil || string(word[:n]) != "READY=1" {
		t.Errorf("%q, %v", word[:n], err)
	}
	if out.String() != "IPC   /run/kvclef.ipc\n" {
		t.Errorf("%q", out.String())
	}

	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := notifyReady(t.Context()); err == nil {
		t.Error("nobody was told")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notifyReady(t.Context()); err != nil {
		t.Error(err)
	}
}
