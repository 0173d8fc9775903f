package policy

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spelling is a word with its value, as a file has it.
type spelling struct {
	key   string
	value string
	allow bool // words may mean something else in a rule that allows
}

// shared is what was made of a word.
type shared struct {
	predicate predicate
	meant     int // addresses that it counts for, wherever it stands
}

// made returns the predicate of a word, nil after a problem. Matches that write
// the same share it, so that it can be told by its address that one answer is
// that of all of them. What depends on the words beside it is made for each.
func (p *parser) made(w word, node *yaml.Node) predicate {
	as := spelling{w.key, source(node), p.allow}
	if found, ok := p.shared[as]; ok {
		if !p.mean(node, w.key, found.meant) {
			return nil
		}
		return found.predicate
	}
	before := p.meant
	p.looked = false
	made := w.parse(p, node)
	if made != nil && !p.looked {
		p.shared[as] = shared{made, p.meant - before}
	}
	return made
}

// implied returns the predicate that stands for no word, one for all matches.
func (p *parser) implied(stated func() predicate) predicate {
	made := stated()
	as := spelling{key: "implied " + made.key()} // no word has a space
	if found, ok := p.shared[as]; ok {
		return found.predicate
	}
	p.shared[as] = shared{predicate: made}
	return made
}

// source spells a value so that another one, or one that YAML takes for another
// type, is never spelled alike.
func source(node *yaml.Node) string {
	var b strings.Builder
	writeSource(&b, node)
	return b.String()
}

func writeSource(b *strings.Builder, node *yaml.Node) {
	for _, text := range []string{node.Tag, node.Value} {
		b.WriteString(strconv.Itoa(len(text)))
		b.WriteByte(':')
		b.WriteString(text)
	}
	b.WriteString(strconv.Itoa(int(node.Kind)) + "," + strconv.Itoa(int(node.Style)) + "," + strconv.Itoa(len(node.Content)) + ";")
	for _, child := range node.Content {
		writeSource(b, child)
	}
}
