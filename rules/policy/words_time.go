package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a policy means the same on a machine without the table of zones

	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"
)

func days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} } // as time.Weekday counts

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]|24):([0-5][0-9])$`)

// timeWord is a time of the week in a zone.
func timeWord() word {
	return word{
		key: "time", doc: "days of the week and hours of the day, in a time zone; hours over midnight, such as 22:00-06:00, belong to the day on which they begin",
		shape: shape{"type": "object", "additionalProperties": false, "required": []any{"zone"}, "properties": map[string]any{
			"days": oneOrMore(choiceShape(days()...)), "hours": patternShape(hoursForm.String()), "zone": textShape(),
		}},
		parse: func(p *parser, node *yaml.Node) predicate {
			found := p.fields(node, "time", "days", "hours", "zone")
			if !p.require(node, "time", found, "zone") {
				return nil
			}
			if found["days"] == nil && found["hours"] == nil {
				p.errorf(node, "time: want days, hours or both")
				return nil
			}
			w := week{to: 24 * 60}
			zone, ok := p.text(found["zone"], "time.zone")
			var err error
			if w.zone, err = time.LoadLocation(zone); ok && (err != nil || zone == "" || zone == "Local") {
				p.errorf(found["zone"], "time.zone: %s is no time zone: want one such as UTC or Europe/Berlin", quoted(zone))
				return nil
			}
			if node := found["days"]; node != nil {
				names, good := p.choices(node, "time.days", days()...)
				ok = ok && good
				for i, day := range days() {
					for _, name := range names {
						w.days[i] = w.days[i] || day == name
					}
				}
			} else {
				w.days = [7]bool{true, true, true, true, true, true, true}
			}
			if node := found["hours"]; node != nil {
				ok = p.hours(&w, node) && ok
			}
			if !ok {
				return nil
			}
			return &atom{
				word: "time", wants: w.String(),
				ask:   func(s *subject) truth { return is(w.has(s.Time)) },
				shows: func(s *subject) string { return s.Time.In(w.zone).Format("Mon 15:04 MST") },
			}
		},
	}
}

// hours reads a span of the day. One that ends before it begins goes over
// midnight.
func (p *parser) hours(w *week, node *yaml.Node) bool {
	text, ok := p.text(node, "time.hours")
	if !ok {
		return false
	}
	found := hoursForm.FindStringSubmatch(text)
	if len(found) == 0 || found[3] == "24" && found[4] != "00" {
		p.errorf(node, "time.hours: want hours such as 08:00-18:00 or 22:00-06:00, not %s", quoted(text))
		return false
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(found[i+1]) // two digits
	}
	w.from, w.to = n[0]*60+n[1], n[2]*60+n[3]
	if w.from == w.to {
		p.errorf(node, "time.hours: %s is no time at all: leave hours out for the whole day", quoted(text))
		return false
	}
	return true
}

// week is a part of each week.
type week struct {
	days     [7]bool
	from, to int // minutes of the day; to is not among them
	zone     *time.Location
}

// has tells whether a time is in it. A span that goes over midnight belongs to the
// day on which it begins: the night of Friday ends on Saturday.
func (w *week) has(at time.Time) bool {
	local := at.In(w.zone)
	minute, day := local.Hour()*60+local.Minute(), int(local.Weekday())
	switch {
	case w.from < w.to:
		return minute >= w.from && minute < w.to && w.days[day]
	case minute >= w.from:
		return w.days[day]
	default:
		return minute < w.to && w.days[(day+6)%7]
	}
}

func (w *week) String() string {
	var names []string
	for i, day := range days() {
		if w.days[i] {
			names = append(names, day)
		}
	}
	return fmt.Sprintf("%s, %02d:%02d-%02d:%02d, %s", strings.Join(names, " "), w.from/60, w.from%60, w.to/60, w.to%60, w.zone)
}

// instantWord is a bound in time.
func instantWord(key, doc string, upper bool) word {
	return word{
		key: key, doc: doc, shape: shape{"type": "string", "format": "date-time"},
		parse: func(p *parser, node *yaml.Node) predicate {
			at, ok := p.instant(node, key)
			if !ok {
				return nil
			}
			if other := p.sibling("not_before"); other != nil && key == "not_after" {
				if from, err := time.Parse(time.RFC3339, other.Value); err == nil && at.Before(from) {
					p.errorf(node, "not_after: %s is before not_before, %s: it never matches", clip(node.Value), clip(other.Value))
				}
			}
			return &atom{
				word: key, wants: at.Format(time.RFC3339), holds: reach{bound: sinceYear0(at), upper: upper},
				ask: func(s *subject) truth {
					if upper {
						return is(!s.Time.After(at))
					}
					return is(!s.Time.Before(at))
				},
				shows: func(s *subject) string { return s.Time.UTC().Format(time.RFC3339) },
			}
		},
	}
}

// sinceYear0 counts nanoseconds, of which there are more than 64 bits hold. No
// time that a policy can name is before the last day of the year −1.
func sinceYear0(at time.Time) *uint256.Int {
	begin := time.Date(-1, time.December, 31, 0, 0, 0, 0, time.UTC)
	nanoseconds := uint256.NewInt(uint64(max(0, at.Unix()-begin.Unix())))
	nanoseconds.Mul(nanoseconds, uint256.NewInt(uint64(time.Second)))
	return nanoseconds.AddUint64(nanoseconds, uint64(at.Nanosecond())) //nolint:gosec // from 0 to 999,999,999
}
