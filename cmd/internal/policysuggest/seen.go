package policysuggest

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// times says how often and when something was seen.
type times struct {
	count       int
	first, last time.Time
	entry       uint64 // of the first
}

func (t *times) add(one *Observed) {
	if t.count == 0 || one.Time.Before(t.first) {
		t.first = one.Time
	}
	if t.count == 0 {
		t.entry = one.Seq
	}
	if t.count == 0 || one.Time.After(t.last) {
		t.last = one.Time
	}
	t.count++
}

// String says so for people.
func (t *times) String() string {
	if t.count == 1 {
		return fmt.Sprintf("1 request, at %s: entry %d", at(t.first), t.entry)
	}
	return fmt.Sprintf("%s, from %s to %s; the first is entry %d", counted(t.count), at(t.first), at(t.last), t.entry)
}

// peak is the largest of some numbers, and where it was seen first.
type peak struct {
	value uint256.Int
	entry uint64 // 0: nothing was seen
}

func (p *peak) add(value *uint256.Int, entry uint64) {
	if p.entry == 0 || value.Gt(&p.value) {
		p.value, p.entry = *value, entry
	}
}

func (p *peak) addUint64(value, entry uint64) { p.add(uint256.NewInt(value), entry) }

// longest is the longest of some time spans.
type longest struct {
	span  time.Duration
	entry uint64
}

func (l *longest) add(span time.Duration, entry uint64) {
	if l.entry == 0 || span > l.span {
		l.span, l.entry = span, entry
	}
}

// addresses are a set, with how often each was seen.
type addresses struct {
	seen map[common.Address]int
	many bool // more than are kept: there are none in seen
}

// texts are a small set of texts.
type texts struct {
	seen map[string]bool
	many bool // more than are kept, or one that can't be: there are none in seen
}

func (t *texts) add(text string) {
	if t.many || t.seen[text] {
		return
	}
	if len(t.seen) == maxTexts || text == "" || !fits(text) {
		t.seen, t.many = nil, true
		return
	}
	if t.seen == nil {
		t.seen = make(map[string]bool)
	}
	t.seen[text] = true
}
