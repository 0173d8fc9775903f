package keyvault

import (
	"container/list"
	"slices"

	"github.com/kvclef/kvclef/backend"
)

// waiter is a request that waits for its turn.
type waiter struct {
	line  *line
	cost  int
	ended chan struct{} // closed when it has its turn, or is turned away
	turn  bool          // before the end: it has its turn
}

// line is the requests of one caller, the oldest first.
type line struct {
	name    string
	weight  int
	waiting []*waiter
	units   int  // of those that wait
	credit  int  // units that it may be served yet in this round
	begun   bool // the round has come to it
	place   *list.Element
}

// lines are the callers' lines, served in rounds: each line is served as many
// units in a round as its weight says, whatever its length. Costs differ, so
// that what a line could not use is carried over to its next round (deficit
// round robin).
type lines struct {
	most    int // waiters of all lines
	quantum int // units of a line of weight 1 in a round: at least the cost of the dearest request
	count   int
	round   list.List // of *line, the one that is served in front
	byName  map[string]*line
}

func newLines(most, quantum int) *lines {
	return &lines{most: most, quantum: quantum, byName: make(map[string]*line)}
}

// push puts a request at the end of its caller's line. When all lines together
// are full, the longest makes room: its last request is returned, to be turned
// away. That is the new one itself if it is of the longest.
func (l *lines) push(caller backend.Caller, cost int) (added, displaced *waiter) {
	if l.count >= l.most {
		longest := l.longest()
		if own := l.byName[caller.Name]; longest == nil || own == longest || longest.share() <= lengthened(own, cost, caller.Weight) {
			return nil, nil
		}
		displaced = longest.waiting[len(longest.waiting)-1]
		l.remove(displaced)
	}
	of := l.byName[caller.Name]
	if of == nil {
		of = &line{name: caller.Name}
		of.place = l.round.PushBack(of)
		l.byName[caller.Name] = of
	}
	of.weight = caller.Weight
	added = &waiter{line: of, cost: cost, ended: make(chan struct{})}
	of.waiting = append(of.waiting, added)
	of.units += cost
	l.count++
	return added, displaced
}

// next returns the request whose turn it is, nil if none waits. It stays in its
// line, and its turn, until it is removed.
func (l *lines) next() *waiter {
	for front := l.round.Front(); front != nil; front = l.round.Front() {
		of, _ := front.Value.(*line)
		if !of.begun {
			of.begun = true
			of.credit += of.weight * l.quantum
		}
		if first := of.waiting[0]; of.credit >= first.cost {
			return first
		}
		of.begun = false
		l.round.MoveToBack(front)
	}
	return nil
}

// serve removes the request whose turn it is, and counts it.
func (l *lines) serve(w *waiter) {
	w.line.credit -= w.cost
	l.remove(w)
}

// remove takes a request out of its line. An empty line is forgotten, with what it
// could have been served.
func (l *lines) remove(w *waiter) {
	of := w.line
	at := slices.Index(of.waiting, w)
	if at < 0 {
		return
	}
	if at == 0 {
		of.waiting[0] = nil
		of.waiting = of.waiting[1:]
	} else {
		of.waiting = slices.Delete(of.waiting, at, at+1)
	}
	of.units -= w.cost
	l.count--
	if len(of.waiting) == 0 {
		l.round.Remove(of.place)
		delete(l.byName, of.name)
	}
}

// before returns how many units are served before a request of a caller that comes
// now: its own line, and of every other what is its share meanwhile.
func (l *lines) before(caller backend.Caller, cost int) (units, count int) {
	own, mine := 0, 0
	if of := l.byName[caller.Name]; of != nil {
		own, mine = of.units, len(of.waiting)
	}
	units, count = own, mine
	for e := l.round.Front(); e != nil; e = e.Next() {
		of, _ := e.Value.(*line)
		if of.name == caller.Name {
			continue
		}
		share := min(of.units, ((own+cost)*of.weight+caller.Weight-1)/caller.Weight)
		units += share
		count += (share*len(of.waiting) + of.units - 1) / of.units
	}
	return units, count
}

// longest returns the line with the most units for its weight, nil if all are empty.
func (l *lines) longest() *line {
	var longest *line
	for e := l.round.Front(); e != nil; e = e.Next() {
		if of, _ := e.Value.(*line); longest == nil || of.share() > longest.share() {
			longest = of
		}
	}
	return longest
}

// share is the length of the line in units of its weight.
func (l *line) share() float64 { return float64(l.units) / float64(l.weight) }

// lengthened is what the share of a line, which may not be there, is with one more
// request.
func lengthened(l *line, cost, weight int) float64 {
	units := cost
	if l != nil {
		units += l.units
	}
	return float64(units) / float64(weight)
}
