package proxy

import (
	"fmt"
	"testing"
	"time"
)

// TestPending: answers find the messages that they are for.
func TestPending(t *testing.T) {
	start := time.Unix(1, 0)
	message := func(batch bool, ids ...string) *sent {
		s := &sent{batch: batch, at: start}
		for _, id := range ids {
			s.calls = append(s.calls, message{id: []byte(id)})
		}
		return s
	}
	raw := func(ids ...string) (list [][]byte) {
		for _, id := range ids {
			list = append(list, []byte(id))
		}
		return list
	}
	single, same, batch, text := message(false, "1"), message(false, "1.0"), message(true, "1", "2"), message(false, `"1"`)
	for name, c := range map[string]struct {
		late, waits []*sent
		ids         [][]byte
		batch       bool
		want        *sent
		isLate      bool
	}{
		"nobody":             {nil, []*sent{single}, raw("7"), false, nil, false},
		"a push":             {nil, []*sent{single}, nil, false, nil, false},
		"single":             {nil, []*sent{text, single}, raw("1"), false, single, false},
		"respelled":          {nil, []*sent{text, same}, raw("1"), false, same, false},
		"oldest":             {nil, []*sent{single, same}, raw("1"), false, single, false},
		"batch before":       {nil, []*sent{single, batch}, raw("2", "1"), true, batch, false},
		"by a later id":      {nil, []*sent{batch}, raw("7", "2"), true, batch, false},
		"batch as one error": {nil, []*sent{text, batch}, raw("1"), false, batch, false},
		"about the message":  {nil, []*sent{single}, raw("null"), false, single, false},
		"about one of them":  {nil, []*sent{single, batch}, raw("null"), false, nil, false},
		"about a late one":   {[]*sent{text}, []*sent{single}, raw("null"), false, nil, false},
		"late":               {[]*sent{single}, []*sent{text}, raw("1"), false, single, true},
		"late, used again":   {[]*sent{single}, []*sent{same}, raw("1"), false, single, true},
		"late, other kind":   {[]*sent{batch}, []*sent{single}, raw("1"), false, single, false},
		"late batch":         {[]*sent{batch}, []*sent{single}, raw("1", "2"), true, batch, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pending{late: c.late, waits: c.waits}
			before := len(c.late) + len(c.waits)
			got, late := p.answered(c.ids, c.batch)
			if got != c.want || late != c.isLate {
				t.Errorf("got %+v, late %v", got, late)
			}
			if left := len(p.late) + len(p.waits); c.want != nil && left != before-1 || c.want == nil && left != before {
				t.Errorf("%d are left", left)
			}
		})
	}
}

func TestPendingExpires(t *testing.T) {
	p := new(pending)
	for i := range 5 {
		p.add(&sent{calls: []message{{id: fmt.Append(nil, i)}}, at: time.Unix(int64(i), 0)})
	}
	if expired := p.expired(time.Unix(2, 0)); len(expired) != 2 || p.anyLate() != 2 {
		t.Errorf("%d expired", len(expired))
	}
	if _, late := p.answered([][]byte{[]byte("1")}, false); !late || p.anyLate() != 1 {
		t.Error("an answer that comes too late is taken for one in time")
	}
	if left := p.all(); len(left) != 3 || len(p.all()) != 0 {
		t.Errorf("%d were left", len(left))
	}
}

// TestManyPendingIDs: to find the message of an answer costs little, however many
// calls wait.
func TestManyPendingIDs(t *testing.T) {
	p := new(pending)
	for i := range 64 {
		s := &sent{batch: true}
		for j := range 1000 {
			s.calls = append(s.calls, message{id: fmt.Appendf(nil, `"%d-%d"`, i, j)})
		}
		p.add(s)
	}
	p.answered([][]byte{[]byte(`"nobody"`)}, true)
	if allocations := testing.AllocsPerRun(5, func() { p.answered([][]byte{[]byte(`"nobody"`)}, true) }); allocations > 20 {
		t.Errorf("%v allocations for one answer", allocations)
	}
	if s, _ := p.answered([][]byte{[]byte(`"63-\u0037"`)}, true); s == nil || len(p.waits) != 63 {
		t.Error("not found")
	}
}
