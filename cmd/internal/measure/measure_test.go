package measure_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReadsItself takes memory, time and descriptors, and finds them.
func TestReadsItself(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads Linux's /proc")
	}
	debug.FreeOSMemory() // what another test has left would be taken again
	before, err := measure.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = byte(i)
	}
	for range 3 {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
	}
	for sum, start := 0, time.Now(); time.Since(start) < 100*time.Millisecond; sum++ {
		held[sum%len(held)]++
	}
	after, err := measure.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(held)
	if after.CPU <= before.CPU {
		t.Errorf("processor time went from %s to %s", before.CPU, after.CPU)
	}
	if grown := after.Resident - before.Resident; grown < 48<<20 {
		t.Errorf("64 MiB are seen as %d bytes", grown)
	}
	if grown := after.Anonymous - before.Anonymous; grown < 48<<20 || after.Anonymous > after.Resident {
		t.Errorf("64 MiB are %d bytes of its own, of %d that are resident", grown, after.Resident)
	}
	if after.Peak < after.Resident || after.Descriptors != before.Descriptors+3 || after.Threads < 1 {
		t.Errorf("peak, descriptors, threads: %+v after %+v", after, before)
	}
	if err := measure.ResetPeak(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := measure.Read(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
}

func start(t *testing.T, ctx context.Context, script string) *measure.Process {
	t.Helper()
	p, err := measure.Start(ctx, filepath.Join(t.TempDir(), "output"), exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcess(t *testing.T) {
	pattern := regexp.MustCompile(`(?m)^at (\d+)$`)
	printed := func(p *measure.Process) (string, error) {
		var text string
		err := p.Await(t.Context(), func(context.Context) (err error) { text, err = p.Printed(pattern); return err })
		return text, err
	}
	t.Run("is stopped", func(t *testing.T) {
		p := start(t, t.Context(), "echo at 1; echo at 23; exec sleep 60")
		if text, err := printed(p); err != nil || text == "" {
			t.Errorf("printed %q, %v", text, err)
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("ends with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := start(t, ctx, "trap 'echo at 7; exit 0' INT; echo up; while :; do sleep 0.01; done")
		if err := p.Await(t.Context(), func(context.Context) error { _, err := p.Printed(regexp.MustCompile("(up)")); return err }); err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = p.Stop() // waits; it may have ended by itself, as it was asked to
		if text, err := p.Printed(pattern); err != nil || text != "7" {
			t.Errorf("printed %q, %v", text, err)
		}
	})
	t.Run("ends at its start", func(t *testing.T) {
		p := start(t, t.Context(), "echo no way; exit 3")
		if _, err := printed(p); err == nil || !strings.Contains(err.Error(), "no way") {
			t.Errorf("error %v", err)
		}
		if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
			t.Errorf("error %v", err)
		}
	})
}
