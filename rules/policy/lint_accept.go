package policy

import "slices"

// accepting marks the warnings that a rule accepts, and warns of what it accepts
// in vain: there is none of that any more, or there never was.
func (l *linter) accepting(rule *Rule) {
	for _, accepted := range rule.Accepts {
		if known := warningNames(); !slices.Contains(known, accepted.ID) {
			l.warn(rule, acceptUnknown, accepted.Line, "accepts %s, which is no warning%s", quoted(accepted.ID), didYouMean(accepted.ID, known))
			continue
		}
		needed := false
		for i := range l.warnings {
			if w := &l.warnings[i]; w.Rule == rule.ID && w.ID == accepted.ID {
				w.Accepted, needed = accepted.Reason, true
			}
		}
		if !needed {
			l.warn(rule, acceptUnneeded, accepted.Line, "accepts %s, of which there is no warning: remove the line", accepted.ID)
		}
	}
}
