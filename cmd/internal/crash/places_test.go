package crash_test

import (
	"fmt"
	"slices"
	"strings"
)

// place is a failpoint: where in the path of a request the signer kills itself.
type place struct {
	name string
	most int // passings until it does, at most
}

// places are the failpoints that every signer under load comes by.
func places() []place {
	var all []place
	for _, name := range []string{
		"decider.before-decide", "decider.after-decide", "decider.before-settle", "decider.after-settle",
		"signer.before-sign", "signer.after-sign",
		"auditor.before-decision", "auditor.after-decision", "auditor.before-outcome", "auditor.after-outcome",
		"store.before-commit", "store.after-commit",
		"audit.write", tearing, "audit.synced",
	} {
		all = append(all, place{name, 40})
	}
	for _, name := range []string{"audit.rotate", "audit.renamed", "audit.created", "audit.checkpoint", "audit.checkpointed", "audit.checkpoint-temp"} {
		all = append(all, place{name, 2})
	}
	return append(all, place{"audit.opened", 1})
}

// At tearing, entries are in the log's file and not yet on the disk, and nobody
// was told of them: a power cut may leave any part of them.
const tearing = "audit.written"

// cutting is passed at the start after an unfinished line was cut off.
const cutting = "audit.cut"

// tally is what happened in all rounds.
type tally struct {
	rounds, atStart, atRandom, missed int
	kills                             map[string]int
	torn, imitated                    int // unfinished lines at the end of the log
	given, refused                    int
	recovered                         int // holds that the state lacked
}

// String is the summary that is printed.
func (t *tally) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d rounds: %d killed at random, %d of those while starting; %d did not come by their failpoint in time\n",
		t.rounds, t.atRandom, t.atStart, t.missed)
	names := make([]string, 0, len(t.kills))
	for name := range t.kills {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&text, "%6d killed at %s\n", t.kills[name], name)
	}
	fmt.Fprintf(&text, "%6d signatures released, %d requests refused, %d unfinished lines, %d of them cut by the test, %d holds recovered",
		t.given, t.refused, t.torn, t.imitated, t.recovered)
	return text.String()
}
