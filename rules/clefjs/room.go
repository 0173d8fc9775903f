package clefjs

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// ServerRoom is the room that a signer gives its rule file, in bytes: most of what there
	// is to gain, as BenchmarkDecide shows. The signer takes as much more memory.
	ServerRoom = 8 << 20

	// MaxRoom is the most room. It is well below MaxMemory, so that garbage alone does
	// not make a call look as if it used too much memory.
	MaxRoom = 32 << 20
)

// room has Go collect garbage later. A call leaves a machine behind as garbage, and where little else is
// on the heap one collection follows the other: the next one is due when the heap has grown by a part of what
// was live at the last. A room counts as live. It is never touched, so that the system gives no memory for it,
// unless Go takes it from memory that was used before, and clears it: it is made at the start.
type room struct{ held atomic.Pointer[[]byte] }

// newRoom returns room for so many bytes of garbage, less with GOGC below 100. What an operator sets comes first:
// where memory has a limit (GOMEMLIMIT) there is none, since Go counts a room towards
// it; with GOGC=400 a quarter makes as much room; with GOGC=off there is
// nothing to make it for.
func newRoom(bytes uint64) *room {
	samples := []metrics.Sample{{Name: "/gc/gomemlimit:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	limit, percent := samples[0].Value.Uint64(), samples[1].Value.Uint64()
	r := &room{}
	if limit < math.MaxInt64 || percent > math.MaxInt32 { // off is more than any number
		return r
	}
	if held := make([]byte, bytes*100/max(percent, 100)); len(held) > 0 {
		r.held.Store(&held)
		runtime.GC() // it is live from now on, for Go and for the memory limit of calls
	}
	return r
}

// size is how many bytes are held.
func (r *room) size() int {
	if held := r.held.Load(); held != nil {
		return len(*held)
	}
	return 0
}

// close lets go of it.
func (r *room) close() { r.held.Store(nil) }
