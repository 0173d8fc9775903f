package proxy

import (
	"errors"
	"io"
	"sync"
)

// mux is a link that several callers share. On it every call has an id of ours.
type mux struct {
	link      link
	maxAnswer int64
	maxBatch  int

	mu     sync.Mutex
	next   uint64
	groups map[uint64]*group // by the id of each call that waits
	stray  bool              // an answer under no id may be about a message that nobody waits for
	dead   bool
}

func newMux(l link, cfg Config) *mux {
	return &mux{link: l, maxAnswer: cfg.MaxAnswer, maxBatch: cfg.MaxBatch, groups: make(map[uint64]*group)}
}

// group is calls that were sent as one message.
type group struct {
	calls   []message
	room    *share        // for the answers
	first   uint64        // the ids are from here on
	replies []reply       // read them after done
	waiting int           // calls without an answer
	done    chan struct{} // closed when all are there
}

// call returns the call of an id.
func (g *group) call(id uint64) *message { return &g.calls[id-g.first] }

// enter gives a group its ids. False: the link has ended.
func (m *mux) enter(g *group) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return false
	}
	g.first = m.next + 1
	g.replies = sentOnly(g.calls)
	m.next += uint64(len(g.calls))
	for i := range g.calls {
		if g.calls[i].id == nil {
			m.stray = true
		} else {
			m.groups[g.first+uint64(i)] = g
			g.waiting++
		}
	}
	return true
}

// leave forgets a group: a late answer finds nobody.
func (m *mux) leave(g *group) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stray = m.stray || g.waiting > 0
	for i := range g.calls {
		delete(m.groups, g.first+uint64(i))
	}
}

// read gives out answers until the link ends, and closes it. Whoever waits then
// is told.
func (m *mux) read() error {
	defer m.link.close()
	for {
		_, message, err := m.link.receive()
		if err == nil {
			err = m.take(message)
		}
		if err != nil {
			m.end(err)
			return err
		}
	}
}

// end tells everybody who waits that no answer comes.
func (m *mux) end(err error) {
	told := errNodeCut
	if errors.Is(err, errNodeGarbage) {
		told = errNodeGarbage
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for id := range m.groups {
		m.fail(id, told)
	}
}

// take reads one message of the node. One that is larger than is kept is read
// to its end, for the ids in it.
func (m *mux) take(message io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(message, m.maxAnswer+1))
	if err != nil {
		return err
	}
	if int64(len(text)) <= m.maxAnswer {
		return m.give(text)
	}
	var walk walker
	walk.feed(text)
	if _, err := io.Copy(feeder{&walk}, message); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range walk.ids {
		m.fail(numberOf(id), errNodeLarge)
	}
	return nil
}

// give gives the answers in a message to those who wait. Anything else in it,
// such as what a subscription of somebody else pushes, is dropped.
func (m *mux) give(text []byte) error {
	answers, batch, ok := readAnswers(text, m.maxBatch)
	if !ok || !batch && answers[0].raw == nil {
		return errNodeGarbage // what comes next can't be trusted either
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var answered *group
	for i := range answers {
		a, id := &answers[i], numberOf(answers[i].id)
		switch g := m.groups[id]; {
		case g != nil:
			answer := a.to(g.call(id).id)
			if err := g.room.take(len(answer.text)); err != nil {
				answer = failed(g.call(id).id, err)
			}
			m.settle(id, answer)
			answered = g
		case a.forAll() && !m.stray:
			m.failAlone(a)
		}
	}
	if batch && answered != nil {
		m.failRest(answered)
	}
	return nil
}

// failAlone gives an error that the node ascribes to no call to the only calls
// that wait.
func (m *mux) failAlone(a *answer) {
	var alone *group
	for _, g := range m.groups {
		if alone != nil && alone != g {
			return
		}
		alone = g
	}
	for id := range m.groups {
		m.settle(id, a.toEach(alone.call(id).id))
	}
}

// failRest tells the calls of a batch that the node left out of its answer.
func (m *mux) failRest(g *group) {
	for i := range g.calls {
		m.fail(g.first+uint64(i), errNodeOmitted)
	}
}

// fail answers a call that waits with an error.
func (m *mux) fail(id uint64, err *wireError) {
	if g := m.groups[id]; g != nil {
		m.settle(id, failed(g.call(id).id, err))
	}
}

// settle answers a call that waits.
func (m *mux) settle(id uint64, answer reply) {
	g := m.groups[id]
	delete(m.groups, id)
	g.replies[id-g.first] = answer
	if g.waiting--; g.waiting == 0 {
		close(g.done)
	}
}

// feeder lets a walker read what is copied to it.
type feeder struct{ *walker }

// Write takes bytes beyond the value's end too.
func (f feeder) Write(p []byte) (int, error) {
	f.feed(p)
	return len(p), nil
}
