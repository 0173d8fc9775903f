package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGoesOn: commands that end soon are not started twice.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"":                          true,
		"serve":                     true,
		"--chainid 1 serve":         true,
		"--chainid 1":               true,
		"proxy --config serve":      true,
		"dev --approve-all":         true,
		"emulator":                  true,
		"version":                   false,
		"keys list":                 false,
		"rules attest serve":        false,
		"--config serve policy":     false,
		"serve --no-such-flag-here": false,
	} {
		if got := goesOn(&program{stdout: io.Discard, stderr: io.Discard}, append([]string{"kvclef"}, strings.Fields(line)...)); got != want {
			t.Errorf("%q goes on: %t", line, got)
		}
	}
}

// TestTimersAreSpared: a program that goes on has the slack, in all threads that it
// starts with, and one whose parent has given it one is left alone.
func TestTimersAreSpared(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		parent time.Duration // what the parent's thread has, 0 is the kernel's default
		set    string        // the variable
		anew   bool
		slack  time.Duration
	}{
		{"as it comes", 0, "", true, timerSlack},
		{"with the variable of another process", 0, "1", true, timerSlack},
		{"from a parent with more", 3 * time.Millisecond, "", false, 3 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pid := startEmulator(t, test.parent, test.set)
			environ, err := os.ReadFile("/proc/" + pid + "/environ")
			if err != nil {
				t.Fatal(err)
			}
			if anew := bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+startedAnew+"="+pid+"\x00")); anew != test.anew {
				t.Errorf("started anew: %t", anew)
			}
			threads, err := os.ReadDir("/proc/" + pid + "/task")
			if err != nil || len(threads) < 2 {
				t.Fatal(threads, err)
			}
			for _, thread := range threads {
				text, err := os.ReadFile("/proc/" + thread.Name() + "/timerslack_ns")
				if os.IsPermission(err) {
					t.Skip("the slack of another process is for CAP_SYS_NICE to read")
				}
				if got := strings.TrimSpace(string(text)); err != nil || got != strconv.FormatInt(test.slack.Nanoseconds(), 10) {
					t.Errorf("thread %s has %s ns, %v", thread.Name(), got, err)
				}
			}
		})
	}
}

// startEmulator starts the program from a thread with a slack, and returns its process
// id when it listens.
func startEmulator(t *testing.T, slack time.Duration, set string) string {
	t.Helper()
	listens := filepath.Join(t.TempDir(), "env")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program)
	cmd.Args = []string{"kvclef", "emulator", "--env-file", listens}
	cmd.Env = append(os.Environ(), startedAnew+"="+set)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread() // not unlocked where it has another slack: the thread ends with the test
	if slack == 0 {
		defer runtime.UnlockOSThread()
	} else if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	})
	await(t, "the emulator", func() bool { _, err := os.Stat(listens); return err == nil })
	return strconv.Itoa(cmd.Process.Pid)
}
