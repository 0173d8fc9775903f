package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
	"github.com/kvclef/kvclef/rules/units"
)

// Groups of the tickets that people are asked about.
const (
	groupYours  = "yours"  // the person is asked, and has not voted
	groupOthers = "others" // others are
	groupEnded  = "ended"  // nobody is
)

// maxListed is how long a ticket may be, in bytes, whose warnings are counted in a list:
// a page lists many.
const maxListed = 64 << 10

// row is a ticket in a list. Its texts are inert.
type row struct {
	ID      string `json:"id"`
	Stamp   string `json:"stamp"` // changes with the ticket
	Group   string `json:"group"`
	State   string `json:"state"`
	Title   string `json:"title"`
	Amount  string `json:"amount"`  // that leaves the account; "" for none
	To      string `json:"to"`      // address in full, "" for none
	ToName  string `json:"to_name"` // what it is called
	From    string `json:"from"`    // key and vault
	Chain   string `json:"chain"`
	Asker   string `json:"asker"`
	Rule    string `json:"rule"`
	Quorum  string `json:"quorum"`  // "1 of 2 of finance"
	Warning string `json:"warning"` // how many there are, or "long"; "" for none

	Opened   time.Time `json:"opened"`
	Deadline time.Time `json:"deadline"`
	Left     string    `json:"left"` // until the deadline
	Decided  time.Time `json:"decided,omitzero"`
}

// stampOf changes whenever a ticket does.
func stampOf(state approval.State, votes int) string {
	return string(state) + "-" + strconv.Itoa(votes)
}

// rowOf returns a ticket as the person sees it in a list.
func (s *Server) rowOf(t *approval.Ticket, person string) row {
	c := &t.Content
	r := row{
		ID: c.ID, Stamp: stampOf(t.State, len(t.Votes)), Group: groupOf(t, person), State: stateOf(t), Rule: sheet.Inert(c.Rule),
		Opened: c.Opened, Deadline: c.Deadline, Left: span(c.Deadline.Sub(s.cfg.Clock())), Decided: t.Decided, Quorum: quorumOf(t), Title: "?",
	}
	subject, err := t.Subject()
	if err != nil {
		return r // the ticket itself says what is the matter
	}
	names, chains := s.cfg.Names(t)
	r.Title, r.Asker = titleOf(subject), sheet.Inert(subject.Principal)
	if subject.Key != "" {
		r.From = "key " + sheet.Inert(subject.Key) + " of " + sheet.Inert(subject.Vault)
	}
	if subject.ChainID != "" {
		r.Chain = "on chain " + sheet.Inert(subject.ChainID)
		if name := chains[subject.ChainID]; name != "" {
			r.Chain = "on " + sheet.Inert(name)
		}
	}
	if tx := subject.Transaction; tx != nil {
		if tx.Value != "0" {
			r.Amount = etherOf(tx.Value)
		}
		if tx.To != nil {
			r.To, r.ToName = tx.To.Hex(), nameOf(names, *tx.To)
		}
	}
	if len(t.Text) > maxListed {
		r.Warning = "long"
		return r
	}
	if full, err := sheet.Of(t, sheet.Options{Names: names}); err == nil {
		if len(full.Warnings) > 0 {
			r.Warning = counted(len(full.Warnings), "warning")
		}
		if r.Amount == "" {
			r.Amount = tokensOf(full)
		}
	}
	return r
}

// tokensOf returns what a call moves of a token whose decimals are known, "" if it
// moves none.
func tokensOf(full *sheet.Sheet) string {
	for i := range full.Sections {
		if full.Sections[i].ID != "call" {
			continue
		}
		for _, fact := range full.Sections[i].Facts {
			if fact.Type == "uint256" && fact.Note != "" && !fact.Warns {
				return fact.Note
			}
		}
	}
	return ""
}

// stateOf returns what a ticket is, as it is shown.
func stateOf(t *approval.Ticket) string {
	if t.Void {
		return string(approval.StateVoid)
	}
	return string(t.State)
}

// groupOf returns whom a ticket waits for.
func groupOf(t *approval.Ticket, person string) string {
	switch {
	case t.State != approval.StateOpen:
		return groupEnded
	case asked(t, person) && !voted(t, person):
		return groupYours
	default:
		return groupOthers
	}
}

func asked(t *approval.Ticket, person string) bool {
	return slices.ContainsFunc(t.Content.Quorums, func(q rules.Quorum) bool { return q.Has(person) })
}

func voted(t *approval.Ticket, person string) bool {
	return slices.ContainsFunc(t.Votes, func(v approval.Vote) bool { return v.Person == person })
}

// quorumOf says how many have approved of how many who must.
func quorumOf(t *approval.Ticket) string {
	missing := t.Missing()
	texts := make([]string, len(missing))
	for i := range t.Content.Quorums {
		q := &t.Content.Quorums[i]
		texts[i] = fmt.Sprintf("%d of %d of %s", q.Threshold-missing[i], q.Threshold, sheet.Inert(q.Group))
	}
	return strings.Join(texts, ", ")
}

// titleOf says in a few words what is asked for.
func titleOf(s *approval.Subject) string {
	tx := s.Transaction
	switch {
	case s.Call != nil:
		return sheet.Inert(shortened(s.Call.Method))
	case tx != nil && tx.To == nil:
		return "Make a contract"
	case tx != nil && len(tx.Data) > 0:
		return "Call that was not decoded"
	case tx != nil && len(tx.Authorizations) > 0:
		return "Give accounts code"
	case tx != nil && len(tx.Blobs) > 0:
		return "Blobs"
	case tx != nil:
		return "Transfer of ether"
	case s.Kind == rules.KindSafe.String():
		return "Safe transaction"
	case s.TypedData != nil:
		return typedTitle(s.TypedData)
	case s.Kind == rules.KindText.String():
		return "Message"
	case s.Payload != nil:
		return "Block of a sequencer"
	case s.Kind == "":
		return "?"
	default:
		kind := sheet.Inert(s.Kind)
		return strings.ToUpper(kind[:1]) + kind[1:]
	}
}

// typedTitle says of which type typed data is.
func typedTitle(data json.RawMessage) string {
	var of struct {
		PrimaryType string `json:"primaryType"`
	}
	if err := json.Unmarshal(data, &of); err != nil || of.PrimaryType == "" {
		return "Typed data"
	}
	return "Typed data: " + sheet.Inert(shortened(of.PrimaryType))
}

// shortened bounds a text in a list.
func shortened(text string) string {
	const most = 120
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// nameOf returns the first thing that an address is called, "" if it has no name.
func nameOf(names sheet.Names, address common.Address) string {
	for _, kind := range []string{sheet.NameOfAccount, sheet.NameOfToken, sheet.NameOfKey, sheet.NameOfList} {
		for _, name := range names[address.Hex()] {
			if name.Kind == kind {
				return sheet.Inert(name.Name)
			}
		}
	}
	return ""
}

// etherOf writes an amount of wei with the unit in which it is short.
func etherOf(wei string) string {
	amount, err := uint256.FromDecimal(wei)
	if err != nil {
		return sheet.Inert(wei) + " wei"
	}
	return units.Wei(amount)
}

// span writes how long something is, roughly.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "over"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	}
}
