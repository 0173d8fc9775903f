package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAppendAndReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	for round := range 3 {
		l := open(t, path, Options{})
		seq, hash := l.Head()
		if seq != uint64(2*round) {
			t.Fatalf("round %d: head %d", round, seq)
		}
		appendAll(t, l, decision(round), Entry{Event: EventOutcome, Request: fmt.Sprintf("req-%d", round), Outcome: "signed"})
		if now, is := l.Head(); now != seq+2 || is == hash {
			t.Fatalf("the head went from %d to %d", seq, now)
		}
		closeLog(t, l)
		closeLog(t, l) // is nothing
	}
	report := verify(t, path, VerifyOptions{})
	if report.Entries != 6 || report.Segments != 1 || report.Open != 0 || report.Events[EventDecision] != 3 || report.Last != 6 {
		t.Errorf("report: %+v", report)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, path + lockSuffix: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// 64 goroutines: every acknowledged entry is there, once, and the chain holds.
func TestParallelAppends(t *testing.T) {
	t.Parallel()
	const clients, each = 64, 40
	path := filepath.Join(t.TempDir(), "audit.log")
	var flushes atomic.Int64
	l := open(t, path, Options{MaxBytes: 200_000, Hook: func(point string) {
		if point == PointSynced {
			flushes.Add(1)
		}
	}})
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for i := range each {
				seq, err := l.append(t.Context(), decision(client*each+i))
				if err != nil || seq == 0 {
					t.Errorf("client %d: entry %d: %v", client, seq, err)
				}
			}
		})
	}
	group.Wait()
	closeLog(t, l)
	report := verify(t, path, VerifyOptions{})
	if report.Entries != clients*each || report.Segments < 5 || report.Open != clients*each {
		t.Errorf("report: %+v", report)
	}
	seen := map[string]bool{}
	for _, e := range events(t, path, 0) {
		seen[e.Request] = true
	}
	if len(seen) != clients*each {
		t.Errorf("%d requests, want %d", len(seen), clients*each)
	}
	if n := flushes.Load(); n > clients*each/2 {
		t.Errorf("%d flushes for %d entries: they are not grouped", n, clients*each)
	}
}

// What waits while the disk is busy shares one flush.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	const waiting = 100
	writing, proceed := make(chan struct{}), make(chan struct{})
	var flushes atomic.Int64
	l := open(t, filepath.Join(t.TempDir(), "audit.log"), Options{Hook: func(point string) {
		switch point {
		case PointWrite:
			if flushes.Load() == 0 {
				close(writing)
				<-proceed
			}
		case PointSynced:
			flushes.Add(1)
		}
	}})
	var group sync.WaitGroup
	group.Go(func() { appendAll(t, l, decision(0)) })
	<-writing
	var queued []*pending
	for i := range waiting {
		body, err := encodeBody(decision(1 + i))
		if err != nil {
			t.Fatal(err)
		}
		p := &pending{body: body, done: make(chan error, 1)}
		if err := l.enqueue(p); err != nil {
			t.Fatal(err)
		}
		queued = append(queued, p)
	}
	close(proceed)
	group.Wait()
	for i, p := range queued {
		if err := <-p.done; err != nil || p.seq != uint64(i+2) {
			t.Errorf("entry %d: %v", p.seq, err)
		}
	}
	if n := flushes.Load(); n != 2 {
		t.Errorf("%d flushes, want 2", n)
	}
}

func TestAppendAfterItsContext(t *testing.T) {
	t.Parallel()
	writing, proceed := make(chan struct{}), make(chan struct{})
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{Hook: func(point string) {
		if point == PointWrite {
			close(writing)
			<-proceed
		}
	}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ended, decision(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("before: %v", err)
	}
	during, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- l.Append(during, decision(2)) }()
	<-writing
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("during: %v", err)
	}
	close(proceed)
	closeLog(t, l)
	if err := l.Append(t.Context(), decision(3)); !errors.Is(err, ErrClosed) {
		t.Errorf("after: %v", err)
	}
	if got := events(t, path, 0); len(got) != 1 || got[0].Request != "req-2" {
		t.Errorf("the log has %v", got)
	}
}

func TestFullQueueRefuses(t *testing.T) {
	t.Parallel()
	writing, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l := open(t, filepath.Join(t.TempDir(), "audit.log"), Options{Hook: func(point string) {
		if point == PointWrite {
			once.Do(func() { close(writing); <-proceed })
		}
	}})
	var group sync.WaitGroup
	group.Go(func() { appendAll(t, l, decision(0)) })
	defer group.Wait()
	<-writing
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		if n > maxQueueBytes {
			t.Fatal("the queue has no end")
		}
		err = l.enqueue(&pending{body: make([]byte, 1<<10), done: make(chan error, 1)})
	}
	if !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	close(proceed)
	// It takes entries again, and none was lost.
	for err = ErrBusy; errors.Is(err, ErrBusy); {
		err = l.Append(t.Context(), decision(1))
	}
	if seq, _ := l.Head(); err != nil || seq != uint64(n+1) {
		t.Errorf("head %d, want %d: %v", seq, n+1, err)
	}
}

func TestOneWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, Options{})
	appendAll(t, l, decision(1))
	_, err := Open(t.Context(), path, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d writes %s; stop it", os.Getpid(), path)) {
		t.Errorf("%v", err)
	}
	closeLog(t, l)
	open(t, path, Options{})
}

// By another name of the same file there is another lock beside it, so that the
// file itself is locked as well: each segment, for as long as it is active.
func TestOneWriterOfAllNames(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	renames := 0
	l := open(t, path, Options{MaxBytes: 1500, rename: func(from, to string) error {
		if renames++; renames == 2 {
			return errDisk
		}
		return os.Rename(from, to)
	}})
	for i := range 4 {
		appendAll(t, l, decision(i))
		other := filepath.Join(t.TempDir(), "other.log")
		if err := os.Link(path, other); err != nil {
			t.Skipf("a file has one name here: %v", err)
		}
		text := readFile(t, path)
		if _, err := Open(t.Context(), other, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), other+" by another name; stop it") {
			t.Errorf("entry %d: %v", i+1, err)
		}
		if !bytes.Equal(readFile(t, path), text) {
			t.Errorf("entry %d: the log was changed", i+1)
		}
		if i < 3 {
			continue
		}
		closeLog(t, l)
		l = open(t, other, Options{})
		if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("the other way round: %v", err)
		}
	}
	if renames < 3 {
		t.Errorf("%d rotations", renames)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "clef"), []byte("t=2026-11-24T19:11:20+0000 lvl=info msg=Configured api=signer \"audit log\"=audit.log\n"))
	writeFile(t, filepath.Join(dir, "bad.checkpoint"), []byte("{}\n"))
	writeFile(t, filepath.Join(dir, "over.99999999999999999999"), nil)
	for name, want := range map[string]string{
		"none/audit.log": "does not exist: create it",
		"link":           "name an ordinary file",
		".":              "name an ordinary file",
		"clef":           "a log of Clef or of something else can't be continued",
		"bad":            "the checkpoint can't be used",
		"over":           "no segment can have that name",
	} {
		if _, err := tryOpen(t, filepath.Join(dir, name), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "x"), Options{MaxBytes: -1}); err == nil {
		t.Error("a negative size was taken")
	}
}

// Something else that touches the file is noticed before the next entry is
// acknowledged.
func TestFileChangedByOthers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".1") },
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
		},
		"cut":    func(path string) error { return os.Truncate(path, 10) },
		"longer": func(path string) error { return os.Truncate(path, 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, path, Options{})
			appendAll(t, l, decision(1))
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := l.Append(t.Context(), decision(2)); !errors.Is(err, ErrBroken) {
					t.Errorf("%v", err)
				}
			}
			if seq, _ := l.Head(); seq != 1 {
				t.Errorf("head %d", seq)
			}
		})
	}
}

func TestImpossibleClock(t *testing.T) {
	t.Parallel()
	now := time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := open(t, filepath.Join(t.TempDir(), "audit.log"), Options{Now: func() time.Time { return now }})
	if err := l.Append(t.Context(), decision(1)); err == nil {
		t.Error("an entry of the year 12026 was written")
	}
}
