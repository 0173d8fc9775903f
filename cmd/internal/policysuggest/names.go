package policysuggest

import (
	"strconv"
	"strings"
)

// maxName leaves room in a name for what makes it different from others, or for
// the name of a limit.
const maxName = 40

// names gives each thing a name of its own.
type names struct{ taken map[string]bool }

func newNames(reserved ...string) *names {
	n := &names{taken: make(map[string]bool)}
	for _, name := range reserved {
		n.taken[name] = true
	}
	return n
}

// pick returns a name that is not taken, made from what is wanted.
func (n *names) pick(wanted ...string) string {
	base := sanitized(strings.Join(wanted, "-"))
	name := base
	for i := 2; n.taken[strings.ToLower(name)]; i++ {
		name = base + "-" + strconv.Itoa(i)
	}
	n.taken[strings.ToLower(name)] = true
	return name
}

// sanitized makes a name of a text: of letters, digits and _.-, and a letter
// first.
func sanitized(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'; {
		case b.Len() == maxName:
		case letter:
			b.WriteRune(r)
		case b.Len() == 0: // no name begins so
		case r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	if b.Len() == 0 {
		return "x"
	}
	return b.String()
}
