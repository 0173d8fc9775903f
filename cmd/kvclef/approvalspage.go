package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// The colours of a terminal (ECMA-48); none where there is none.
type colours bool

const (
	colourBold = "1"
	colourDim  = "2"
	colourWarn = "1;31"
	colourNote = "36"
)

// in returns a text in a colour.
func (c colours) in(colour, text string) string {
	if !c || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// factColumn is where the text of a fact begins, unless its name is longer.
const factColumn = 14

// ticketPage is a ticket as people read it.
func ticketPage(shown *approvals.Shown, full bool, in colours) (string, error) {
	v := &shown.View
	s, err := sheet.Of(shown.Ticket, sheet.Options{Names: v.Names, ChainName: chainNamed(v.Chains), Now: v.Now, Whole: full})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", in.in(colourBold, "Ticket "+sheet.Inert(s.ID)+", "+sheet.Inert(string(s.State))))
	if len(s.Warnings) > 0 {
		fmt.Fprintf(&b, "\n%s\n", in.in(colourWarn, "WARNINGS"))
		for _, warning := range s.Warnings {
			fmt.Fprintf(&b, "  %s\n", in.in(colourWarn, "! "+warning))
		}
	}
	cut := false
	for _, section := range s.Sections {
		fmt.Fprintf(&b, "\n%s\n", in.in(colourBold, section.Title))
		for _, fact := range section.Facts {
			b.WriteString(factLines(fact, in))
			cut = cut || fact.Cut > 0
		}
	}
	if cut {
		b.WriteString("\n" + in.in(colourWarn, "Not all is shown; --full shows it. A vote is on all of it.") + "\n")
	}
	b.WriteString("\n")
	return b.String(), nil
}

// factLines are the lines of a fact. A text of several lines is marked at each, so
// that none can pass for a fact of its own.
func factLines(fact sheet.Fact, in colours) string {
	indent := strings.Repeat(" ", 2+2*fact.Depth)
	name := fact.Name
	if fact.Type != "" {
		name += " " + fact.Type
	}
	head := indent + in.in(colourDim, name)
	text := fact.Text
	if fact.Warns {
		text = in.in(colourWarn, "! "+text)
	}
	note := ""
	if fact.Note != "" {
		note = " " + in.in(colourNote, "("+fact.Note+")")
	}
	if fact.Cut > 0 {
		note += " " + in.in(colourWarn, fmt.Sprintf("(%d more characters)", fact.Cut))
	}
	if strings.Contains(fact.Text, "\n") {
		lines := head + note + "\n"
		for line := range strings.SplitSeq(fact.Text, "\n") {
			lines += indent + "│ " + line + "\n"
		}
		return lines
	}
	if text == "" && note == "" {
		return head + "\n"
	}
	gap := strings.Repeat(" ", max(1, factColumn-len([]rune(name))-2*fact.Depth))
	return head + gap + text + note + "\n"
}

// chainNamed returns what a chain is called: by the policy, or by everybody.
func chainNamed(byPolicy map[string]string) func(id uint64) string {
	return func(id uint64) string {
		public, known := publicChainNamed(id)
		switch name := byPolicy[strconv.FormatUint(id, 10)]; {
		case name != "" && known:
			return name + ", " + public
		case name != "":
			return name
		default:
			return public
		}
	}
}
