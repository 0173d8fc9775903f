package emulator

import (
	"testing"
	"time"
)

// TestWindow: no window of ten seconds, whenever it begins, has more than the limit.
func TestWindow(t *testing.T) {
	w := newWindow(Limit{Requests: 4})
	began := time.Unix(1e9, 0)
	for i, step := range []struct {
		after time.Duration // the beginning
		units int
		wait  time.Duration // 0: it is taken
	}{
		{0, 1, 0},
		{time.Second, 2, 0},
		{2 * time.Second, 2, 8 * time.Second},         // for the first to leave: it is not enough for two
		{2 * time.Second, 1, 0},                       // 4 of 4
		{2 * time.Second, 1, 8 * time.Second},         // until 10 s
		{9999 * time.Millisecond, 1, time.Second},     // rounded up
		{9999 * time.Millisecond, 2, 2 * time.Second}, // until 11 s
		{10 * time.Second, 1, 0},
		{10 * time.Second, 1, time.Second},
		{11 * time.Second, 2, 0},
		{11 * time.Second, 1, time.Second},
		{time.Hour, 4, 0},
	} {
		if wait, ok := w.take(began.Add(step.after), step.units); ok != (step.wait == 0) || wait != step.wait {
			t.Errorf("step %d: %v, %v, want %v", i, ok, wait, step.wait)
		}
	}
	if w.units != 4 || len(w.taken) != 1 {
		t.Errorf("%d units of %d requests are remembered", w.units, len(w.taken))
	}
}

func TestNoWindow(t *testing.T) {
	w := newWindow(Limit{})
	for range 10_000 {
		if _, ok := w.take(time.Unix(1e9, 0), 2); !ok {
			t.Fatal("limited")
		}
	}
	if len(w.taken) != 0 {
		t.Errorf("%d requests are remembered", len(w.taken))
	}
}

func TestRoundUp(t *testing.T) {
	for _, c := range []struct{ wait, window, want time.Duration }{
		{1, 10 * time.Second, time.Second},
		{time.Second, 10 * time.Second, time.Second},
		{time.Second + 1, 10 * time.Second, 2 * time.Second},
		{1500 * time.Microsecond, 500 * time.Millisecond, 2 * time.Millisecond},
	} {
		if got := roundUp(c.wait, c.window); got != c.want {
			t.Errorf("%v of %v: %v, want %v", c.wait, c.window, got, c.want)
		}
	}
}
