package approval

// Change tells that a ticket has become another.
type Change struct {
	ID     string
	Before State // "" of a new one
	State  State
	Votes  int
}

// watcher is told of changes.
type watcher struct{ changes chan Change }

// Watch returns what tells of changes, as long as they are read: it is closed when
// more than so many wait, and by stop. Whoever finds it closed looks at all tickets
// again.
func (q *Queue) Watch(most int) (changes <-chan Change, stop func()) {
	w := &watcher{make(chan Change, most)}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watchers[w] = struct{}{}
	return w.changes, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.close(w)
	}
}

// tell tells all watchers. The queue's lock is the caller's.
func (q *Queue) tell(change Change) {
	if !change.Before.seen() {
		change.Before = ""
	}
	for w := range q.watchers {
		select {
		case w.changes <- change:
		default:
			q.close(w)
		}
	}
}

// close ends a watcher. The queue's lock is the caller's.
func (q *Queue) close(w *watcher) {
	if _, there := q.watchers[w]; there {
		delete(q.watchers, w)
		close(w.changes)
	}
}
