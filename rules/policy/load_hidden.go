package policy

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxHidden bounds the problems of this kind that are told.
const maxHidden = 20

// legible notes what makes a file mean something else than people see in it: characters
// that end a line for the YAML reader and not in editors and reviews, so that what stands in
// a comment is a rule, and those that change the order in which text is shown.
func (p *parser) legible(source []byte) bool {
	before := len(p.problems)
	line := 0
	for text := range bytes.SplitSeq(source, []byte("\n")) {
		line++
		text = bytes.TrimSuffix(text, []byte("\r"))
		for at, column := 0, 1; at < len(text) && len(p.problems)-before < maxHidden; column++ {
			r, size := utf8.DecodeRune(text[at:])
			node := &yaml.Node{Line: line, Column: column}
			switch {
			case r == utf8.RuneError && size <= 1:
				p.errorf(node, "this is no UTF-8: save the file in that encoding")
				return false
			case slices.Contains([]rune{'\r', 0x85, 0x2028, 0x2029}, r):
				p.errorf(node, "the character %U ends a line for YAML, though it may not be seen to: remove it, or in a text write \"\\u%04X\" in its place", r, r)
			case turns(r):
				p.errorf(node, "the character %U changes the order in which text is shown: remove it, or in a text write \"\\u%04X\" in its place", r, r)
			}
			at += size
		}
	}
	return len(p.problems) == before
}

// turns reports whether a character is one of those that control the direction of text.
func turns(r rune) bool {
	return r == 0x61c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
