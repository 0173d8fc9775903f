package crash_test

import "testing"

// TestCrash has a variant for each of the two ways in which rule files keep a
// limit, and one for the limits of a policy.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two binaries and kills them for minutes")
	}
	programs, n, seed := build(t), rounds(t)/3, seed(t)
	for _, file := range []string{"at-approval.js", "after-signing.js", policyFile} {
		t.Run(file, func(t *testing.T) {
			s := newStage(t, programs, file, 1<<16, seed)
			for range n {
				if err := s.round(t.Context(), s.next()); err != nil {
					t.Fatalf("round %d, %v: %v\n%s\nwhat is left is in %s", s.rounds, s.planned, err, &s.tally, s.keep())
				}
			}
			if err := s.end(t.Context()); err != nil {
				t.Errorf("after all: %v\nwhat is left is in %s", err, s.keep())
			}
			t.Logf("%s\n%6d entries in %d segments", &s.tally, s.books.last, s.segments)
			s.complete(t)
		})
	}
	t.Run("forgets", func(t *testing.T) { doctored(t, programs, seed) })
}

// complete checks that the rounds have proved anything.
func (s *stage) complete(t *testing.T) {
	t.Helper()
	if s.given == 0 || s.refused == 0 {
		t.Errorf("%d signatures were released and %d requests refused: neither may be 0", s.given, s.refused)
	}
	if s.rounds < 3*len(places()) {
		t.Logf("too few rounds to come by all failpoints")
		return
	}
	if b := s.books.limits; b != nil {
		for _, name := range []string{"paid", "signed"} {
			if b.refused["limit "+name+" is exceeded"] == 0 {
				t.Errorf("limit %s was never reached: %v", name, b.refused)
			}
		}
		if s.recovered == 0 {
			t.Error("no hold had to be recovered")
		}
	}
	for _, place := range append(places(), place{name: cutting}) {
		if s.kills[place.name] == 0 {
			t.Errorf("no signer was killed at %s", place.name)
		}
	}
}
