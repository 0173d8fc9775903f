package reread

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// file is what a secret is read from, at a time of the test's choice.
type file struct {
	text   string
	broken error
	reads  int
	now    time.Time
	log    strings.Builder
}

func (f *file) read() (string, error) {
	f.reads++
	runtime.Gosched()
	return f.text, f.broken
}

func (f *file) open(t *testing.T) *Secret[string] {
	t.Helper()
	secret, err := New(Config[string]{
		Read: f.read, Same: SameText, Logger: slog.New(slog.NewTextHandler(&f.log, nil)), Clock: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// TestSecretIsReadAgain: a changed secret counts from the next look on and the one before
// no more; what can't be read changes nothing, and is logged once.
func TestSecretIsReadAgain(t *testing.T) {
	f := &file{text: "first", now: time.Unix(1_800_000_000, 0)}
	secret := f.open(t)
	steps := []struct {
		text   string
		broken error
		pass   time.Duration
		want   string
		reads  int
	}{
		{"second", nil, interval - time.Second, "first", 1}, // it is not time yet
		{"second", nil, time.Second, "second", 2},
		{"third", nil, 0, "second", 2},
		{"", errors.New("mode 0644"), interval, "second", 3},
		{"", errors.New("mode 0644"), interval, "second", 4},
		{"", errors.New("no such file"), interval, "second", 5},
		{"second", nil, interval, "second", 6}, // as it was
		{"", errors.New("mode 0644"), interval, "second", 7},
		{"first", nil, interval, "first", 8},
	}
	for i, step := range steps {
		f.text, f.broken, f.now = step.text, step.broken, f.now.Add(step.pass)
		if got := secret.Value(); got != step.want || f.reads != step.reads {
			t.Errorf("step %d: %q after %d reads, want %q after %d", i, got, f.reads, step.want, step.reads)
		}
	}
	for what, want := range map[string]int{"Secret read again": 2, "mode 0644": 2, "no such file": 1, "first": 0, "second": 0} {
		if got := strings.Count(f.log.String(), what); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", what, got, want, &f.log)
		}
	}
}

// TestFirstMustBeGood: nothing begins with a secret that can't be read.
func TestFirstMustBeGood(t *testing.T) {
	f := &file{broken: errors.New("no such file")}
	if secret, err := New(Config[string]{Read: f.read, Same: SameText}); secret != nil || !errors.Is(err, f.broken) {
		t.Errorf("%v, %v", secret, err)
	}
}

// TestNobodyWaits: while one reads the file, which takes its time, others have the secret
// that is known.
func TestNobodyWaits(t *testing.T) {
	reading, goOn := make(chan struct{}), make(chan struct{})
	now := time.Unix(1_800_000_000, 0)
	first := true
	secret, err := New(Config[string]{
		Same: SameText, Clock: func() time.Time { return now },
		Read: func() (string, error) {
			if first {
				first = false
				return "first", nil
			}
			close(reading)
			<-goOn
			return "second", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(interval)
	var slow string
	var group sync.WaitGroup
	group.Go(func() { slow = secret.Value() })
	<-reading
	if got := secret.Value(); got != "first" {
		t.Errorf("%q meanwhile", got)
	}
	close(goOn)
	group.Wait()
	if got := secret.Value(); got != "second" || slow != "second" {
		t.Errorf("%q and %q at last", slow, got)
	}
}

// TestReplacedLongAgo: a secret that was replaced while nobody wanted it is not used once
// more, by however many want it at once, and is read once.
func TestReplacedLongAgo(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for range 100 {
		f := &file{text: "old", now: now}
		secret := f.open(t)
		f.text, f.now = "new", now.Add(2*interval)
		begin := make(chan struct{})
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				<-begin
				if got := secret.Value(); got != "new" {
					t.Errorf("%q is used", got)
				}
			})
		}
		close(begin)
		all.Wait()
		if f.reads != 2 {
			t.Fatalf("read %d times", f.reads)
		}
	}
}

// TestSecretDoesNotPrint: no verb finds it.
func TestSecretDoesNotPrint(t *testing.T) {
	secret := (&file{text: "hunter2"}).open(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{secret, struct{ of *Secret[string] }{secret}, []*Secret[string]{secret}} {
			if said := fmt.Sprintf(verb, value); strings.Contains(said, "hunter2") || strings.Contains(said, "68756e74657232") {
				t.Errorf("%s prints %s", verb, said)
			}
		}
	}
}
