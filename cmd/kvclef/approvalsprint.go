package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// ticketTable is a list of tickets.
func ticketTable(listing *approvals.Listing, all bool) string {
	var b strings.Builder
	if len(listing.Tickets) == 0 {
		b.WriteString("none\n")
	} else {
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "TICKET\tSTATE\tASKS\tWHAT\tTO\tVALUE\tRULE\tMUST APPROVE\tYOU")
		for i := range listing.Tickets {
			t := &listing.Tickets[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shown(t.ID), ticketState(t), shown(t.Principal), shownWhat(t), orDash(shown(t.To)),
				orDash(shownWei(t.Value)), shown(t.Rule), shown(t.Quorum), shownYou(listing.You, t))
		}
		_ = table.Flush() // into memory
	}
	if listing.More {
		b.WriteString("… and more: see --limit\n")
	}
	if listing.You == "" && !all {
		b.WriteString("You are none of the people who may vote; see approvals.people in the configuration.\n")
	}
	return b.String()
}

func ticketState(t *approvals.Summary) string {
	if t.Void {
		return string(approval.StateVoid)
	}
	if t.State != approval.StateOpen {
		return shown(string(t.State))
	}
	left := time.Until(t.Deadline).Round(time.Second)
	return fmt.Sprintf("%s, %s left", t.State, max(left, 0))
}

func shownWhat(t *approvals.Summary) string {
	what := shown(t.Kind)
	if t.Call != "" {
		what = shown(t.Call)
	}
	if t.Key != "" {
		what += " by " + shown(t.Key)
	}
	if t.ChainID != "" {
		what += " on " + shownChain(t.ChainID)
	}
	return what
}

// shownChain returns a chain by its name, or else its id.
func shownChain(id string) string {
	if number, err := strconv.ParseUint(id, 10, 64); err == nil {
		if name, known := publicChainNamed(number); known {
			return name
		}
	}
	return "chain " + shown(id)
}

func shownWei(wei string) string {
	if ether := etherOf(wei); ether != "" {
		return ether + " ether"
	}
	return ""
}

// shownYou says what a ticket wants of whoever looks at it.
func shownYou(you string, t *approvals.Summary) string {
	switch {
	case you == "" || !t.Asked:
		return "-"
	case t.Voted:
		return "voted"
	case t.State == approval.StateOpen:
		return "asked"
	default:
		return "-"
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// noticeLine is a line of a watch.
func noticeLine(notice approvals.Notice, summary *approvals.Summary) string {
	line := fmt.Sprintf("%s  %s  %s", shownTime(time.Now()), shown(notice.ID), shown(string(notice.State)))
	switch {
	case summary != nil:
		line += fmt.Sprintf("  %s", shownWhat(summary))
		if summary.To != "" {
			line += " to " + shown(summary.To)
		}
		if value := shownWei(summary.Value); value != "" {
			line += ", " + value
		}
		line += fmt.Sprintf("; %s asks, %s must approve by rule %s", shown(summary.Principal), shown(summary.Quorum), shown(summary.Rule))
	case notice.State == notice.Before:
		line += fmt.Sprintf("  a vote was counted, %d in all", notice.Votes)
	}
	return line
}

// plainTicketJSON is a ticket for programs: what is shown, and the text that its
// hash is of.
type plainTicketJSON struct {
	You     string            `json:"you,omitempty"`
	Hash    string            `json:"hash"`
	State   approval.State    `json:"state"`
	Void    bool              `json:"void,omitempty"` // another policy is in force
	Content json.RawMessage   `json:"content"`        // text, decoded
	Votes   []approval.Vote   `json:"votes"`
	Missing []int             `json:"missing"` // of each quorum of the content
	Decided time.Time         `json:"decided,omitzero"`
	UseBy   time.Time         `json:"use_by,omitzero"`
	Names   sheet.Names       `json:"names,omitempty"`
	Chains  map[string]string `json:"chains,omitempty"`
	Now     time.Time         `json:"now"`
	Text    string            `json:"text"` // hash is the SHA-256 of this
}

func plainTicket(shown *approvals.Shown) plainTicketJSON {
	v := &shown.View
	votes := v.Votes
	if votes == nil {
		votes = []approval.Vote{}
	}
	return plainTicketJSON{
		You: v.You, Hash: v.Hash, State: v.State, Void: v.Void, Content: json.RawMessage(v.Text), Votes: votes, Missing: shown.Ticket.Missing(),
		Decided: v.Decided, UseBy: v.UseBy, Names: v.Names, Chains: v.Chains, Now: v.Now, Text: v.Text,
	}
}

// printPlainJSON prints a value with text that others chose as JSON that may go to
// a terminal.
func (p *program) printPlainJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding JSON: %w", err)
	}
	return p.printf("%s\n", plainJSON(text))
}

// plainJSON escapes what does not print, or turns the direction of a text. In JSON
// such characters stand in strings alone.
func plainJSON(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
