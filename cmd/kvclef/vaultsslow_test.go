package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhatIsSlowIsSaid: now and then, with the time that it took, and no more once it is over.
func TestWhatIsSlowIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []time.Duration
		stop := sayWhenSlow(t.Context(), func(elapsed time.Duration) { said = append(said, elapsed) })
		for range 8 {
			<-time.After(time.Second)
			synctest.Wait()
		}
		stop()
		<-time.After(time.Minute)
		if want := []time.Duration{3 * time.Second, 6 * time.Second}; !slices.Equal(said, want) {
			t.Errorf("said after %v, want %v", said, want)
		}
	})
}
