//go:build unix

package audit

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// survived checks a log after its writer died: what was acknowledged is there.
func survived(t *testing.T, path string, acknowledged []byte) {
	t.Helper()
	last := uint64(0)
	for number := range bytes.FieldsSeq(acknowledged) {
		seq, err := strconv.ParseUint(string(number), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		last = max(last, seq)
	}
	l := open(t, path, Options{})
	if seq, _ := l.Head(); seq < last {
		t.Errorf("entry %d was acknowledged, and the log ends with %d", last, seq)
	}
	appendAll(t, l, decision(1))
	closeLog(t, l)
	verify(t, path, VerifyOptions{})
}

// A process that dies at any point leaves a log that goes on, with all that it
// acknowledged.
func TestCrashAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		PointOpened, PointWrite, PointWritten, PointSynced, PointRotate, PointRenamed, PointCreated,
		PointCheckpoint, PointCheckpointed, PointCheckpointTemp, PointCut, PointCompleted,
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			path := write(t, 3, Options{})
			if point == PointCut {
				if err := os.Truncate(path, 2500); err != nil {
					t.Fatal(err)
				}
			}
			if point == PointCompleted {
				_, _ = process(t, PointSynced, filepath.Dir(path), 2).Output() // it crashes
				if err := os.Truncate(path, int64(len(readFile(t, path)))-100); err != nil {
					t.Fatal(err)
				}
			}
			for _, times := range []int{1, 2, 7} {
				if times > 1 && (point == PointOpened || point == PointCut || point == PointCompleted) {
					continue // once in a process
				}
				cmd := process(t, point, filepath.Dir(path), times)
				cmd.Stderr = os.Stderr
				acknowledged, err := cmd.Output()
				if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != crashed {
					t.Fatalf("the point was not reached: %v", err)
				}
				survived(t, path, acknowledged)
			}
		})
	}
}

// The same for a process that is killed at a moment of its own.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 8 {
		cmd := process(t, "load", filepath.Dir(path), 0)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged bytes.Buffer
		lines := bufio.NewScanner(out)
		for n := rand.IntN(150); lines.Scan(); n-- {
			acknowledged.WriteString(lines.Text() + "\n")
			if n == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		survived(t, path, acknowledged.Bytes())
	}
}

// A process that has no descriptor left rotates all the same.
func TestRotationWithoutDescriptors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	if out, err := process(t, "descriptors", filepath.Dir(path), 0).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report := verify(t, path, VerifyOptions{}); report.Entries != 20 || report.Segments < 3 {
		t.Errorf("%+v", report)
	}
}

// A full disk refuses, loses nothing, and is forgotten when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	if out, err := process(t, "full", filepath.Dir(path), 0).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report := verify(t, path, VerifyOptions{}); report.Entries < 5 || report.Entries > 12 {
		t.Errorf("%+v", report)
	}
}
