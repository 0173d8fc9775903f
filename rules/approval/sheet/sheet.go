// Package sheet says what a ticket is about in lines for the people who decide.
// Whatever shows them, a terminal or a page, shows the same ones.
//
// The lines are made of the text that people vote on, and of names for addresses,
// which are beside it. Text that somebody else chose is inert: what does not print
// is escaped, as are characters that hide or turn the direction. The package never
// asks, decides or changes anything.
package sheet

import (
	"time"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/facts"
)

// The kinds of names.
const (
	NameOfAccount = "account" // of the policy
	NameOfToken   = "token"   // of the policy
	NameOfList    = "list"    // of the policy, that the address is in
	NameOfKey     = "key"     // the address is an account of a vault
)

// Name is what an address is called.
type Name struct {
	Kind string `json:"kind"`
	Name string `json:"name"` // of a key: VAULT/KEY

	Chain    uint64 `json:"chain,omitempty"`    // of a token
	Standard string `json:"standard,omitempty"` // of a token: "erc20", "erc721" or "erc1155"
	Decimals int    `json:"decimals,omitempty"` // of a token
}

// Names are what addresses are called, by their checksummed form. They are not part
// of what people vote on.
type Names map[string][]Name

// Options say how a sheet is made. The zero value is usable.
type Options struct {
	Names     Names
	ChainName func(id uint64) string // "" for one that has no name; nil: none has
	Now       time.Time              // for how much time is left; zero: that is not said
	Whole     bool                   // long texts are not cut
}

// Sheet is a ticket for people.
type Sheet struct {
	ID       string
	State    approval.State
	Warnings []string // inert
	Sections []Section
}

// Section is a part of a sheet. Its id is stable: what, call, typed-data, does, message,
// authorizations, access-list, payload, why, who, people, proof.
type Section struct {
	ID    string
	Title string
	Facts []Fact
}

// MaxDepth bounds how far facts are indented: what lies deeper stands below itself.
const MaxDepth = 20

// Fact is one line, or several with \n between them. Its texts are inert.
type Fact struct {
	Depth int    // in a tree, from 0 to [MaxDepth]
	Name  string // such as "to"; of members of typed data, their own
	Type  string // of an argument or a member; "" for others
	Text  string
	Note  string // what addresses are called, or amounts come to; "" for most
	Warns bool   // it should be looked at twice
	Cut   int    // characters that were left out
}

// Of makes the sheet of a ticket.
func Of(t *approval.Ticket, options Options) (*Sheet, error) {
	subject, err := t.Subject()
	if err != nil {
		return nil, err
	}
	w := &writer{options: options, ticket: t, subject: subject, facts: factsOf(subject), sheet: &Sheet{ID: t.Content.ID, State: t.State}}
	if t.Void {
		w.warn("It is void: another policy than the one that asked is in force, and an approval does not count")
	}
	w.findings()
	w.what()
	w.call()
	w.typedData()
	w.does()
	w.message()
	w.authorizations()
	w.accessList()
	w.payload()
	w.why()
	w.who()
	w.people()
	w.proof()
	return w.sheet, nil
}

// writer makes one sheet.
type writer struct {
	options Options
	ticket  *approval.Ticket
	subject *approval.Subject
	facts   *facts.Facts // nil: nothing is known
	sheet   *Sheet
}

func (w *writer) warn(text string) { w.sheet.Warnings = append(w.sheet.Warnings, text) }

// section begins a section, in which facts are added until the next one.
func (w *writer) section(id, title string) {
	w.sheet.Sections = append(w.sheet.Sections, Section{ID: id, Title: title})
}

// add adds a fact whose text is inert.
func (w *writer) add(fact Fact) {
	fact.Depth = min(fact.Depth, MaxDepth)
	last := &w.sheet.Sections[len(w.sheet.Sections)-1]
	last.Facts = append(last.Facts, fact)
}

// line adds a fact with a text that kvclef made; "" is left out.
func (w *writer) line(name, text string) {
	if text != "" {
		w.add(Fact{Name: name, Text: text})
	}
}

// others adds a fact with a text that somebody else chose; "" is left out.
func (w *writer) others(name, text string) {
	if text == "" {
		return
	}
	fact := Fact{Name: name}
	fact.Text, fact.Cut = w.cut(Inert(text))
	w.add(fact)
}
