package policysuggest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// bare is what may stand in YAML without quotes.
var bare = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// scalar writes a text so that YAML reads it as it is: callers choose some, and
// none of them may end its line. What is not valid UTF-8 can't be written so.
func scalar(text string) string {
	if bare.MatchString(text) {
		switch strings.ToLower(text) {
		case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		default:
			return text
		}
	}
	return strconv.QuoteToASCII(text) // all that Go escapes YAML knows too, and what looks alike is told apart
}

// scalars writes a list in one line.
func scalars(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = scalar(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// line is a word of a match with what stands there, or what lies within.
type line struct {
	key, value, comment string
	inner               [][]line
}

// pair writes a key with a value and a comment, which may be empty.
func pair(key, value, comment string, args ...any) line {
	if len(args) > 0 {
		comment = fmt.Sprintf(comment, args...)
	}
	return line{key: key, value: value, comment: comment}
}

// writeLines writes a mapping. The first line follows what was written before, if
// it is that of an element of a list.
func writeLines(b *strings.Builder, lines []line, indent int, element bool) {
	if element { // a comment can't begin one
		lines = slices.Clone(lines)
		slices.SortStableFunc(lines, func(a, b line) int { return later(a.key == "", b.key == "") })
	}
	for i, l := range lines {
		space := strings.Repeat(" ", indent)
		if element && i == 0 {
			space = strings.Repeat(" ", indent-2) + "- "
		}
		if l.key == "" {
			b.WriteString(space + "# " + l.comment + "\n")
			continue
		}
		b.WriteString(space + l.key + ":")
		if l.value != "" {
			b.WriteString(" " + l.value)
		}
		if l.comment != "" {
			b.WriteString(" # " + l.comment)
		}
		b.WriteString("\n")
		for _, inner := range l.inner {
			writeLines(b, inner, indent+4, true)
		}
	}
}

// quotedAddress writes an address with its checksum. YAML takes it for a number
// without quotes.
func quotedAddress(address common.Address) string { return `"` + address.Hex() + `"` }
