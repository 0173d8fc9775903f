package clefjs

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"weak"
)

// collector sets the collector as GOGC and GOMEMLIMIT do, until the test ends.
func collector(t *testing.T, percent int, limit int64) {
	t.Helper()
	percentBefore, limitBefore := debug.SetGCPercent(percent), debug.SetMemoryLimit(limit)
	t.Cleanup(func() {
		debug.SetGCPercent(percentBefore)
		debug.SetMemoryLimit(limitBefore)
	})
}

// TestRoom: a loaded rule file holds as much as was asked for, and nothing once it is closed.
func TestRoom(t *testing.T) {
	collector(t, 100, math.MaxInt64)
	if r := load(t, approveAll, Options{}); r.room.size() != 0 {
		t.Errorf("%d bytes are held that nobody asked for", r.room.size())
	}
	r := load(t, approveAll, Options{Room: ServerRoom})
	if got := r.room.size(); got != ServerRoom {
		t.Errorf("%d bytes are held, want %d", got, ServerRoom)
	}
	first := weak.Make(&(*r.room.held.Load())[0])
	runtime.GC()
	if first.Value() == nil {
		t.Error("it is collected while the file is in use")
	}
	r.Close()
	r.Close()
	runtime.GC()
	if r.room.size() != 0 || first.Value() != nil {
		t.Errorf("a closed one holds %d bytes", r.room.size())
	}
}

// TestRoomLeavesSettings: what an operator sets of the collector comes first.
func TestRoomLeavesSettings(t *testing.T) {
	for _, c := range []struct {
		percent int
		limit   int64
		want    int
	}{
		{50, math.MaxInt64, ServerRoom},
		{100, math.MaxInt64, ServerRoom},
		{400, math.MaxInt64, ServerRoom / 4},
		{-1, math.MaxInt64, 0},
		{100, 1 << 40, 0},
	} {
		collector(t, c.percent, c.limit)
		if got := newRoom(ServerRoom).size(); got != c.want {
			t.Errorf("GOGC %d, limit %d: %d bytes, want %d", c.percent, c.limit, got, c.want)
		}
		if percent, limit := debug.SetGCPercent(c.percent), debug.SetMemoryLimit(-1); percent != c.percent || limit != c.limit {
			t.Errorf("GOGC %d, limit %d: they are %d and %d now", c.percent, c.limit, percent, limit)
		}
	}
}
