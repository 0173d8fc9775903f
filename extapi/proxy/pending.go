package proxy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// pending is the messages that went to a client's node and wait for answers.
// The ids are the client's own, and may come several times.
type pending struct {
	mu    sync.Mutex
	waits []*sent // oldest first
	late  []*sent // those that were answered with an error already
	stray bool    // a notification was sent: an error under no id may be about it
}

// sent is a message that went to the node.
type sent struct {
	calls []message       // those that wait, with their ids and methods alone
	keys  map[string]bool // of their ids, once an answer was looked for
	batch bool
	kind  int
	at    time.Time
	done  func()
	tally *tally // of calls
}

// add keeps a message until it is answered.
func (p *pending) add(s *sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = append(p.waits, s)
}

// noted remembers that the node got a notification.
func (p *pending) noted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stray = true
}

// all forgets all messages that wait, and returns them.
func (p *pending) all() []*sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := p.waits
	p.waits = nil
	return waits
}

// expired moves the messages that were sent before a time to the late ones, and
// returns them.
func (p *pending) expired(before time.Time) []*sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.waits) && p.waits[n].at.Before(before) {
		n++
	}
	expired := p.waits[:n:n]
	p.waits = append([]*sent(nil), p.waits[n:]...)
	p.late = append(p.late, expired...)
	return expired
}

// anyLate reports how many answers must not be passed on.
func (p *pending) anyLate() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.late)
}

// answered finds the message that an answer with these ids is for, and forgets
// it. Late: it was answered already. Nil: nobody waits for it.
func (p *pending) answered(ids [][]byte, batch bool) (s *sent, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids[:min(len(ids), 4)] {
		key := sameID(id)
		for _, kind := range []bool{batch, !batch} {
			// A late answer comes before that to a later call under the same id.
			if s := take(&p.late, key, kind); s != nil {
				return s, true
			}
			if s := take(&p.waits, key, kind); s != nil {
				return s, false
			}
		}
	}
	if len(ids) > 0 && string(ids[0]) == "null" && len(p.waits) == 1 && len(p.late) == 0 && !p.stray {
		return cut(&p.waits, 0), false // the node ascribes it to no call, and it can be about no other
	}
	return nil, false
}

// take removes the oldest message with an id.
func take(list *[]*sent, id string, batch bool) *sent {
	for i, s := range *list {
		if s.batch == batch && s.has(id) {
			return cut(list, i)
		}
	}
	return nil
}

func cut(list *[]*sent, i int) *sent {
	s := (*list)[i]
	*list = append((*list)[:i:i], (*list)[i+1:]...)
	return s
}

func (s *sent) has(key string) bool {
	if s.keys == nil {
		s.keys = make(map[string]bool, len(s.calls))
		for i := range s.calls {
			s.keys[sameID(s.calls[i].id)] = true
		}
	}
	return s.keys[key]
}

// sameID returns the same for ids that a node may take for the same: the text
// of a string, the value of a number.
func sameID(id []byte) string {
	if len(id) > 0 && id[0] == '"' {
		var text string
		if json.Unmarshal(id, &text) == nil {
			return `"` + text
		}
	}
	if bytes.ContainsAny(id, ".eE-+") {
		if number, err := strconv.ParseFloat(string(id), 64); err == nil {
			return strconv.FormatFloat(number, 'f', -1, 64)
		}
	}
	return string(id)
}

// waiting returns the calls of a message that wait for an answer, without the
// rest of the message.
func waiting(calls []message) []message {
	var ids []message
	for i := range calls {
		if id := calls[i].id; id != nil {
			ids = append(ids, message{id: bytes.Clone(id), method: bytes.Clone(calls[i].method)})
		}
	}
	return ids
}
