package hosting

import (
	"net/http"
	"sync"
	"time"
)

// State is how a service is.
type State string

// The states of a service.
const (
	Starting State = "starting" // for the first time in this process
	Started  State = "started"
	Failed   State = "failed"   // it could not be started, and is tried again
	Stopping State = "stopping" // it is being deleted
)

// instance is a service of this process.
type instance struct {
	service       Service
	configuration Configuration
	cancel        func() // ends its starting

	mu      sync.Mutex
	state   State
	since   time.Time // of the state
	failure error     // of the last start
	next    time.Time // when it is tried again
	running Running
	handler http.Handler
	posts   int  // requests that are being answered and may sign
	closing bool // nothing is let in
	gone    bool // whoever starts it stops it again

	idle chan struct{} // closed when it is gone and has answered
}

func newInstance(service Service, configuration Configuration) *instance {
	return &instance{service: service, configuration: configuration, cancel: func() {}, state: Starting, since: time.Now(), idle: make(chan struct{})}
}

// adopt takes what was started. It reports false if that is too late.
func (i *instance) adopt(running Running) bool {
	handler := running.Handler()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone {
		return false
	}
	i.running, i.handler = running, handler
	i.state, i.since, i.failure, i.next = Started, time.Now(), nil, time.Time{}
	return true
}

// fail keeps why it could not be started, and when it is tried again.
func (i *instance) fail(err error, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state != Failed {
		i.state, i.since = Failed, time.Now()
	}
	i.failure, i.next = err, next
}

// quiesce lets nothing in any more. Without force that is refused while something
// may be under way.
func (i *instance) quiesce(force bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closing {
		return refuse(ErrInUse, "the service is being deleted")
	}
	if !force && i.running == nil {
		return errNotRunning
	}
	answering := i.pause(true)
	if !force { // nothing begins any more that was not counted
		if n := i.running.InFlight(); n > 0 || answering > 0 {
			i.pause(false)
			return refuse(ErrInUse, "the service has %d transactions under way and answers %d requests: wait for them; ?force=true deletes it all the same", n, answering)
		}
	}
	i.closing = true
	return nil
}

// resume lets requests in again.
func (i *instance) resume() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closing = false
	i.pause(false)
}

// pause lets no call that may sign begin, or lets them again, and returns how many
// requests are being answered. Whoever calls it has the lock.
func (i *instance) pause(on bool) (answering int) {
	if i.running == nil {
		return i.posts
	}
	return max(i.posts, i.running.Pause(on))
}

// leave takes what is to be stopped out of it, nil if nothing runs, for good. It is
// stopped when what is being answered has been, which is when idle is closed.
func (i *instance) leave() Running {
	i.cancel()
	i.mu.Lock()
	defer i.mu.Unlock()
	running := i.running
	if !i.gone && i.posts == 0 {
		close(i.idle)
	}
	i.closing, i.gone, i.running, i.handler = true, true, nil, nil
	return running
}

// enter returns what answers a request, until left is called. Without a handler
// the text says why there is none.
func (i *instance) enter(r *http.Request) (handler http.Handler, left func(), why string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closing:
		return nil, nil, "the service is being stopped"
	case i.handler == nil && i.state == Failed:
		return nil, nil, "the service could not be started, and is tried again: its status on the admin socket says why"
	case i.handler == nil:
		return nil, nil, "the service is being started"
	case r.Method != http.MethodPost: // a WebSocket would count for as long as it is open
		return i.handler, func() {}, ""
	}
	i.posts++
	return i.handler, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.posts--; i.posts == 0 && i.gone {
			close(i.idle)
		}
	}, ""
}

// Health is how a service is in this process.
type Health struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	State   State      `json:"state"`
	Since   time.Time  `json:"since"`              // of the state, UTC
	Error   string     `json:"error,omitempty"`    // of the last start, or of asking the service
	NextTry *time.Time `json:"next_try,omitempty"` // when it is started again, UTC
}

func (i *instance) health() (Health, Running) {
	i.mu.Lock()
	defer i.mu.Unlock()
	h := Health{ID: i.service.ID, Name: i.service.Name, State: i.state, Since: i.since.UTC()}
	if i.closing {
		h.State = Stopping
	}
	if i.failure != nil {
		h.Error = i.failure.Error()
	}
	if !i.next.IsZero() {
		next := i.next.UTC()
		h.NextTry = &next
	}
	return h, i.running
}
