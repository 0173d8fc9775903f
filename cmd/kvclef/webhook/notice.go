package webhook

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// notice is what is told of a ticket: the body of a message in the template json.
type notice struct {
	Event     string   `json:"event"`
	Ticket    string   `json:"ticket"`
	State     string   `json:"state"`
	Kind      string   `json:"kind"` // such as "transaction"
	ChainID   string   `json:"chain_id,omitempty"`
	Principal string   `json:"principal"` // who asks
	Account   string   `json:"account,omitempty"`
	Key       string   `json:"key,omitempty"`
	To        string   `json:"to,omitempty"`
	Value     string   `json:"value,omitempty"`  // wei, decimal
	Method    string   `json:"method,omitempty"` // of a contract that is called
	Rule      string   `json:"rule"`
	Reason    string   `json:"reason"`
	Quorum    string   `json:"quorum"`      // such as "2 of finance"
	Missing   int      `json:"missing"`     // how many must still approve, of all quorums
	Approved  []string `json:"approved_by"` // by name
	Rejected  string   `json:"rejected_by,omitempty"`
	Deadline  string   `json:"deadline"` // RFC 3339, UTC
	Link      string   `json:"link,omitempty"`
}

// bounds of texts, in bytes: some are as long as a caller wants.
const maxText = 300

func noticeOf(event string, t *approval.Ticket, link string) notice {
	c := &t.Content
	quorums := make([]*rules.Quorum, len(c.Quorums))
	for i := range c.Quorums {
		quorums[i] = &c.Quorums[i]
	}
	n := notice{
		Event: event, Ticket: c.ID, State: string(t.State), Rule: clip(c.Rule), Reason: clip(c.Reason), Quorum: clip(rules.Quorums(quorums)),
		Approved: []string{}, Deadline: c.Deadline.UTC().Format(time.RFC3339), Link: link,
	}
	for _, missing := range t.Missing() {
		n.Missing += missing
	}
	for _, vote := range t.Votes {
		if vote.Approve {
			n.Approved = append(n.Approved, vote.Person)
		} else {
			n.Rejected = vote.Person
		}
	}
	s, err := t.Subject()
	if err != nil { // what it is about is on its page
		return n
	}
	n.Kind, n.ChainID, n.Principal, n.Key = s.Kind, s.ChainID, clip(s.Principal), clip(s.Key)
	if s.Account != (common.Address{}) {
		n.Account = s.Account.Hex()
	}
	if tx := s.Transaction; tx != nil {
		n.Value = tx.Value
		if tx.To != nil {
			n.To = tx.To.Hex()
		}
	}
	if s.Call != nil {
		n.Method = clip(s.Call.Method)
	}
	return n
}

// clip bounds a text, between two characters.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := 0
	for i := range text {
		if i > maxText {
			break
		}
		end = i
	}
	return text[:end] + "…"
}
