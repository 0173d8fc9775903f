package sheet

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Inert returns a text that somebody else chose as it may be shown: on one line,
// with what does not print, and the backslash, escaped as in Go. That includes the
// characters that move the cursor, hide, or turn the direction, and letters that
// look like nothing.
func Inert(text string) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[0]), 16))
		case r == '\\':
			b.WriteString(`\\`)
		case blank(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		case r == '"' || r == '\'':
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// InertLines is Inert for each line of a text.
func InertLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Inert(lines[i])
	}
	return strings.Join(lines, "\n")
}

// blank reports whether a character counts as a letter or a symbol, and shows
// nothing: fillers of Hangul, the empty braille pattern, and marks that change the
// look of others.
func blank(r rune) bool {
	switch {
	case r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x2800, r == 0x034f:
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef, r >= 0x180b && r <= 0x180f, r == 0x17b4, r == 0x17b5:
		return true
	default:
		return false
	}
}

// mostShown is how many characters of a text are shown unless all are wanted.
const mostShown = 2000

// cut shortens an inert text. It returns how many characters were left out.
func (w *writer) cut(text string) (string, int) {
	count := utf8.RuneCountInString(text)
	if w.options.Whole || count <= mostShown {
		return text, 0
	}
	runes := []rune(text)
	return string(runes[:mostShown]) + "…", count - mostShown
}
