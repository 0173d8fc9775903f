package approvals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/extapi/unixpeer"
	"github.com/kvclef/kvclef/rules/approval"
)

// ErrUnsupported is for systems that don't tell who connects to a socket.
var ErrUnsupported = fmt.Errorf("%w, so that nobody can vote from a terminal", unixpeer.ErrUnsupported)

type handler struct {
	cfg     Config
	closing <-chan struct{}
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathTickets, h.list)
	mux.HandleFunc("GET "+pathTicket, h.show)
	mux.HandleFunc("POST "+pathVote, h.vote)
	mux.HandleFunc("GET "+pathWatch, h.watch)
	return mux
}

// person returns who asks, "" if it is no person.
func (h *handler) person(r *http.Request) string {
	if uid, known := peerOf(r); known {
		return h.cfg.Person(uid)
	}
	return ""
}

// list tells what tickets there are.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	limit := 1000
	if text := r.FormValue("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("limit: %q is not a number from 1", text))
			return
		}
	}
	listing := Listing{You: h.person(r), Tickets: []Summary{}}
	for _, t := range h.cfg.Tickets.Tickets() {
		if r.FormValue("state") == string(approval.StateOpen) && t.State != approval.StateOpen {
			continue
		}
		if listing.More = len(listing.Tickets) == limit; listing.More {
			break
		}
		listing.Tickets = append(listing.Tickets, summary(t, listing.You))
	}
	h.answer(w, r, listing)
}

// summary is what a list shows.
func summary(t *approval.Ticket, you string) Summary {
	c := &t.Content
	s := Summary{ID: c.ID, State: t.State, Void: t.Void, Opened: c.Opened, Deadline: c.Deadline, Rule: c.Rule}
	for i := range c.Quorums {
		if i > 0 {
			s.Quorum += " and "
		}
		s.Quorum += c.Quorums[i].String()
		s.Asked = s.Asked || c.Quorums[i].Has(you)
	}
	for _, missing := range t.Missing() {
		s.Missing += missing
	}
	s.Voted = slices.ContainsFunc(t.Votes, func(v approval.Vote) bool { return v.Person == you })
	subject, err := t.Subject()
	if err != nil {
		return s // it can be looked at by its id
	}
	s.Kind, s.Principal, s.ChainID = subject.Kind, subject.Principal, subject.ChainID
	if subject.Account != (common.Address{}) {
		s.Account = subject.Account.Hex()
	}
	if subject.Key != "" {
		s.Key = subject.Vault + "/" + subject.Key
	}
	if tx := subject.Transaction; tx != nil {
		if s.Value = tx.Value; tx.To != nil {
			s.To = tx.To.Hex()
		}
	}
	if subject.Call != nil {
		s.Call = subject.Call.Method
	}
	return s
}

// show tells everything of a ticket.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	t, err := h.cfg.Tickets.Ticket(r.PathValue("id"))
	if err != nil {
		h.refuse(w, r, statusOf(err), err)
		return
	}
	h.answer(w, r, h.view(t, h.person(r)))
}

func (h *handler) view(t *approval.Ticket, you string) View {
	v := View{You: you, Text: string(t.Text), Hash: t.Hash.Hex(), State: t.State, Void: t.Void, Votes: t.Votes, Decided: t.Decided, UseBy: t.UseBy, Now: time.Now().UTC()}
	if h.cfg.Names != nil {
		v.Names, v.Chains = h.cfg.Names(t)
	}
	return v
}

// vote hands a vote on. One of a user that is no person is on record, too.
func (h *handler) vote(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("reading the vote: %w", err))
		return
	}
	vote, hash, err := parseVote(body)
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, err)
		return
	}
	uid, known := peerOf(r)
	if !known {
		h.refuse(w, r, http.StatusForbidden, ErrUnsupported)
		return
	}
	person := h.cfg.Person(uid)
	ballot := approval.Ballot{Ticket: r.PathValue("id"), Hash: hash, Person: person, Approve: vote.Approve, Comment: vote.Comment, Way: Way}
	if person == "" {
		ballot.Person = fmt.Sprintf("uid:%d", uid) // which no person can be called
	}
	// A caller that hangs up does not stop what it asked for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), voteTimeout)
	defer cancel()
	t, err := h.cfg.Tickets.Vote(ctx, ballot)
	switch {
	case person == "":
		h.refuse(w, r, http.StatusForbidden, fmt.Errorf("the user id %d is nobody who may vote: add it to a person of approvals.people, or vote as another user", uid))
	case err != nil:
		h.refuse(w, r, statusOf(err), fmt.Errorf("the vote of %s does not count: %w", person, err))
	default:
		h.answer(w, r, h.view(t, person))
	}
}

// parseVote is strict: a member that is not known, or more than one value, is an
// error.
func parseVote(body []byte) (vote Vote, hash common.Hash, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&vote); err != nil {
		return vote, hash, fmt.Errorf("decoding the vote: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return vote, hash, errors.New("decoding the vote: more follows it")
	}
	raw, err := hexutil.Decode(vote.Hash)
	if err != nil || len(raw) != common.HashLength {
		return vote, hash, errors.New("hash: it is not the hash of a ticket, 0x and 64 digits")
	}
	return vote, common.Hash(raw), nil
}

// statusOf returns the status of HTTP for why a vote does not count.
func statusOf(err error) int {
	switch {
	case errors.Is(err, approval.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, approval.ErrNotAsked), errors.Is(err, approval.ErrRequester):
		return http.StatusForbidden
	default:
		return http.StatusConflict
	}
}

// answer sends a value.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, value any) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails only on a closed connection
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		h.cfg.Logger.DebugContext(r.Context(), "Answer not sent", "error", err)
	}
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	uid, _ := peerOf(r)
	h.cfg.Logger.InfoContext(r.Context(), "Request to the socket for approvals refused", "path", r.URL.Path, "uid", uid, "error", err)
	if err := admin.Refuse(w, status, err); err != nil {
		h.cfg.Logger.DebugContext(r.Context(), "Refusal not sent", "error", err)
	}
}
