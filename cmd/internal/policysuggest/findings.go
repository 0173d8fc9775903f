package policysuggest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// findings are which rules decided about the requests of which groups.
type findings struct {
	byRule    map[string]*group
	intruders map[*group][]*group // whose requests the rule of another one decided about
	failed    map[*group]failure
}

// failure is the first request of a group that the draft does not approve.
type failure struct {
	why string
	by  *group // whose rule decided; nil: none did
}

func (c *collector) newFindings() *findings {
	f := &findings{byRule: make(map[string]*group), intruders: make(map[*group][]*group), failed: make(map[*group]failure)}
	for _, g := range c.groups {
		if g.why == "" {
			f.byRule[g.rule] = g
		}
	}
	return f
}

// add notes the rule that decided about a request of a group, and why the request is
// not approved, if it is not.
func (f *findings) add(g *group, rule string, entry uint64, why string) {
	by := f.byRule[rule]
	if by != nil && by != g && !slices.Contains(f.intruders[by], g) {
		f.intruders[by] = append(f.intruders[by], g)
	}
	if _, known := f.failed[g]; why != "" && !known {
		f.failed[g] = failure{refusal(fmt.Sprintf("entry %d", entry), why), by}
	}
}

// exclude gives up the groups that the draft has no room for. Where the limits of a
// rule are used up by requests that are of other groups, and match it too, it is those
// that are given up: their rules are wider and come later.
func (f *findings) exclude(c *collector) {
	for _, g := range c.sorted() {
		of, is := f.failed[g]
		others := f.intruders[g]
		switch {
		case !is:
			continue
		case of.by != g || len(others) == 0:
			g.exclude(c, of.why)
			continue
		}
		for _, other := range others {
			other.exclude(c, cmp.Or(f.failed[other].why, whyIntrudes+g.rule))
		}
	}
}

// refusal is why a group is given up whose requests the draft does not approve.
func refusal(what, why string) string {
	why, _, _ = strings.Cut(why, "\n")
	return whyRefused + what + ": " + cmp.Or(cut(why, maxString/2), "no reason")
}
