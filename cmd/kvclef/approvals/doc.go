// Package approvals lets people vote from a terminal: HTTP on a unix socket of its
// own, apart from the admin socket. Who is at the other end is told by the system,
// as a user id, and a person is known by it.
//
// Whoever may use the socket may look at tickets; only people may vote. Where the
// system does not tell who connects, nobody can. The package signs nothing, and a
// vote counts only if the queue of tickets says so.
package approvals

import (
	"context"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// Way is how a person that votes here is known, for the record.
const Way = "terminal"

const (
	readTimeout  = 10 * time.Second // of a request
	writeTimeout = 30 * time.Second // of one write to a caller
	voteTimeout  = 30 * time.Second
	heartbeat    = 20 * time.Second // between two lines of a watch
	maxHeader    = 8 << 10          // bytes
	maxBody      = 8 << 10          // bytes; a vote has a comment of 1,000
	maxWaiting   = 256              // changes that a watcher has not read
)

// Tickets are what people vote on.
type Tickets interface {
	// Ticket returns a ticket by its id. The error is [approval.ErrUnknown].
	Ticket(id string) (*approval.Ticket, error)

	// Tickets returns all tickets, the newest first.
	Tickets() []*approval.Ticket

	// Vote counts a vote, and returns the ticket with it.
	Vote(ctx context.Context, ballot approval.Ballot) (*approval.Ticket, error)

	// Watch returns what tells of changes, which is closed when more than so many
	// wait, and by stop.
	Watch(most int) (changes <-chan approval.Change, stop func())
}

// The paths of the API. Errors have a status from 400 and the body {"error": "…"}.
const (
	pathTickets = "/v1/tickets" // GET: a Listing; ?state=open for those alone, ?limit=N
	pathTicket  = "/v1/tickets/{id}"
	pathVote    = "/v1/tickets/{id}/vote" // POST a Vote: a View
	pathWatch   = "/v1/watch"             // GET: lines of JSON, each a Notice
)

// Listing is what is known of tickets, shortly.
type Listing struct {
	You     string    `json:"you,omitempty"` // the person that asks, "" if it is none
	Tickets []Summary `json:"tickets"`       // the newest first
	More    bool      `json:"more,omitempty"`
}

// Summary is what a list shows of a ticket. Nobody votes on it.
type Summary struct {
	ID        string         `json:"id"`
	State     approval.State `json:"state"`
	Void      bool           `json:"void,omitempty"` // see approval.Ticket
	Opened    time.Time      `json:"opened"`
	Deadline  time.Time      `json:"deadline"`
	Rule      string         `json:"rule"`
	Kind      string         `json:"kind"`
	Principal string         `json:"principal"`
	Account   string         `json:"account,omitempty"`
	Key       string         `json:"key,omitempty"` // VAULT/KEY
	ChainID   string         `json:"chain_id,omitempty"`
	To        string         `json:"to,omitempty"` // "" also for a new contract
	Value     string         `json:"value,omitempty"`
	Call      string         `json:"call,omitempty"` // the method
	Quorum    string         `json:"quorum"`         // such as "2 of finance"
	Missing   int            `json:"missing"`        // people, of all groups
	Voted     bool           `json:"voted"`          // whether the person that asks has
	Asked     bool           `json:"asked"`          // whether it is among those who are asked
}

// View is a ticket with everything that is shown of it. Text is what people vote
// on, and Hash its SHA-256; all else is beside it.
type View struct {
	You     string            `json:"you,omitempty"` // the person that asks, "" if it is none
	Text    string            `json:"text"`          // an approval.Content
	Hash    string            `json:"hash"`          // 0x
	State   approval.State    `json:"state"`
	Void    bool              `json:"void,omitempty"` // see approval.Ticket
	Votes   []approval.Vote   `json:"votes,omitempty"`
	Decided time.Time         `json:"decided,omitzero"`
	UseBy   time.Time         `json:"use_by,omitzero"`
	Names   sheet.Names       `json:"names,omitempty"`
	Chains  map[string]string `json:"chains,omitempty"` // names of the policy, by id
	Now     time.Time         `json:"now"`              // the signer's clock
}

// Vote is what a person sends.
type Vote struct {
	Hash    string `json:"hash"` // of the text that it was shown, 0x
	Approve bool   `json:"approve"`
	Comment string `json:"comment,omitempty"`
}

// Notice is a line of a watch. One without an id says that the signer is there; one
// that is lost that some were left out, and is the last.
type Notice struct {
	ID     string         `json:"id,omitempty"`
	Before approval.State `json:"before,omitempty"`
	State  approval.State `json:"state,omitempty"`
	Votes  int            `json:"votes,omitempty"`
	Lost   bool           `json:"lost,omitempty"`
}
