package audit

import "testing"

// The newest entry of a journal is in the half that is written, whichever that is.
func TestJournaledInEitherHalf(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		path, _ := crashedWith(t, n+1, Options{journal: 3000})
		if seq, err := Journaled(path); seq != uint64(n+1) || err != nil {
			t.Errorf("of %d entries: %d, %v", n+1, seq, err)
		}
	}
}
