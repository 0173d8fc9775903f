package memory

import "github.com/holiman/uint256"

// Total returns what counts against a counter now, as [Ledger.Usage] has it, and
// nothing else: the work does not grow with the number of charges.
func (l *Ledger) Total(counter string) uint256.Int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(l.time())
	if c := l.counters[counter]; c != nil {
		return c.total
	}
	return uint256.Int{}
}
