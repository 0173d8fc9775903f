package clefjs

import "sync"

// pool keeps machines ready. One goroutine makes them.
type pool struct {
	ready chan *machine
	wake  chan struct{} // one for each machine that is missing
	stop  chan struct{}
	once  sync.Once
	done  sync.WaitGroup
}

// newPool starts to prepare machines. With size 0 there is none.
func newPool(size int, prepare func() *machine) *pool {
	p := &pool{ready: make(chan *machine, size), wake: make(chan struct{}, size), stop: make(chan struct{})}
	for range size {
		p.wake <- struct{}{}
	}
	if size > 0 {
		p.done.Go(func() { p.fill(prepare) })
	}
	return p
}

// fill makes one machine for each that is missing. One that can't be made is
// not tried again before the next is taken.
func (p *pool) fill(prepare func() *machine) {
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		if m := prepare(); m != nil {
			select {
			case p.ready <- m:
			default: // more wakes than takes
			}
		}
	}
}

// take returns a machine, nil if none is ready.
func (p *pool) take() *machine {
	if cap(p.ready) == 0 {
		return nil
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
	select {
	case m := <-p.ready:
		return m
	default:
		return nil
	}
}

// close ends the goroutine, and waits for it.
func (p *pool) close() {
	p.once.Do(func() { close(p.stop) })
	p.done.Wait()
}
