package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/approval"
)

// maxComment is how long a comment may be, in bytes, as the tickets have it.
const maxComment = 1000

// voteTimeout bounds the counting of a vote, whether or not the browser waits.
const voteTimeout = 30 * time.Second

var errNobody = errors.New("it is the passkey of nobody who may approve here")

// ballotOf reads the vote in a form. It has no way yet.
func ballotOf(r *http.Request, of *session) (approval.Ballot, error) {
	ballot := approval.Ballot{Ticket: r.PathValue("id"), Person: of.person}
	raw, err := hexutil.Decode(r.PostForm.Get("hash"))
	if err != nil || len(raw) != common.HashLength {
		return ballot, errors.New("the form does not say what was shown")
	}
	ballot.Hash = common.Hash(raw)
	switch r.PostForm.Get("verdict") {
	case "approve":
		ballot.Approve = true
	case "reject":
	default:
		return ballot, errors.New("the form says neither approve nor reject")
	}
	// Browsers send the ends of lines as mail has them.
	ballot.Comment = strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get("comment"), "\r\n", "\n"))
	switch {
	case len(ballot.Comment) > maxComment:
		return ballot, fmt.Errorf("the comment has %d bytes, and may have %d", len(ballot.Comment), maxComment)
	case !utf8.ValidString(ballot.Comment) || strings.ContainsFunc(ballot.Comment, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }):
		return ballot, errors.New("the comment has characters that can't be shown")
	}
	return ballot, nil
}

// beginVote answers with what a passkey is to sign.
func (s *Server) beginVote(w http.ResponseWriter, r *http.Request, of *session) {
	ballot, err := ballotOf(r, of)
	if err != nil {
		s.answer(w, r, http.StatusBadRequest, map[string]string{"error": sentence(err)})
		return
	}
	if of.way != wayPasskey || s.cfg.Passkeys == nil {
		s.answer(w, r, http.StatusConflict, map[string]string{"error": "This session does not vote by passkey."})
		return
	}
	ticket, err := s.cfg.Tickets.Ticket(ballot.Ticket)
	if err == nil {
		err = worthVoting(ticket, &ballot)
	}
	if err != nil {
		ballot.Way = of.way
		err = s.cfg.Tickets.Refuse(r.Context(), ballot, err)
		status, text := refusalOf(err)
		s.answer(w, r, status, map[string]string{"error": text})
		return
	}
	options, err := s.cfg.Passkeys.BeginVote(r.Context(), of.browser, ballot)
	if err != nil {
		s.log.WarnContext(r.Context(), "Vote not begun", "person", of.person, "ticket", ballot.Ticket, "error", err)
		s.answer(w, r, http.StatusConflict, map[string]string{"error": sentence(err)})
		return
	}
	s.answer(w, r, http.StatusOK, map[string]json.RawMessage{"options": options})
}

// worthVoting spares somebody a passkey for a vote that would not count. Whether it
// counts is told by the tickets alone.
func worthVoting(t *approval.Ticket, ballot *approval.Ballot) error {
	switch {
	case t.State != approval.StateOpen:
		return &approval.DecidedError{State: t.State, Time: t.Decided}
	case t.Hash != ballot.Hash:
		return approval.ErrStale
	}
	for i := range t.Content.Quorums {
		if t.Content.Quorums[i].Has(ballot.Person) {
			return nil
		}
	}
	return approval.ErrNotAsked
}

// vote counts a vote. Of a session that began with a passkey it is the passkey's.
func (s *Server) vote(w http.ResponseWriter, r *http.Request, of *session) {
	ballot, err := ballotOf(r, of)
	if err == nil {
		ballot, err = s.signed(r, of, ballot)
	}
	if err != nil {
		s.ticketPage(w, r, of, http.StatusBadRequest, sentence(err)+" Nothing was changed.")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), voteTimeout)
	defer cancel()
	ticket, err := s.cfg.Tickets.Vote(ctx, ballot)
	if err != nil {
		status, text := refusalOf(err)
		s.ticketPage(w, r, of, status, text)
		return
	}
	http.Redirect(w, r, "/tickets/"+ticket.Content.ID+"?voted=1", http.StatusSeeOther)
}

// signed returns a ballot as it is cast: with the way in which the person is known,
// and the proof if there is one.
func (s *Server) signed(r *http.Request, of *session, ballot approval.Ballot) (approval.Ballot, error) {
	if of.way != wayPasskey {
		ballot.Way = of.way
		return ballot, nil
	}
	answer := json.RawMessage(r.PostForm.Get("answer"))
	if len(answer) == 0 || !json.Valid(answer) || s.cfg.Passkeys == nil {
		return ballot, errors.New("a vote is made with your passkey, for which the page needs its script")
	}
	cast, err := s.cfg.Passkeys.FinishVote(r.Context(), of.browser, answer)
	switch {
	case err != nil:
		s.log.WarnContext(r.Context(), "Vote refused", "person", of.person, "ticket", ballot.Ticket, "error", err)
		return ballot, err
	case cast.Ticket != ballot.Ticket || cast.Hash != ballot.Hash || cast.Person != of.person || cast.Approve != ballot.Approve || cast.Comment != ballot.Comment:
		return ballot, errors.New("your passkey has signed another vote than the form has")
	case cast.Way == "" || len(cast.Proof) == 0:
		return ballot, errors.New("the vote has no proof")
	}
	return cast, nil
}

// refusalOf says why a vote does not count.
func refusalOf(err error) (status int, text string) {
	var decided *approval.DecidedError
	switch {
	case errors.Is(err, approval.ErrUnknown):
		return http.StatusNotFound, "There is no such ticket: it may be old, and removed. Nothing was changed."
	case errors.Is(err, approval.ErrStale):
		return http.StatusConflict, "The ticket is not the one that you were shown. Nothing was changed: look at it again."
	case errors.Is(err, approval.ErrVoid):
		return http.StatusConflict, "The policy was changed since the request was made, which must be made again. Nothing was changed."
	case errors.Is(err, approval.ErrNotAsked):
		return http.StatusForbidden, "You are not among those who are asked. Nothing was changed."
	case errors.Is(err, approval.ErrRequester):
		return http.StatusForbidden, "Who asks can't approve it as well. Nothing was changed."
	case errors.Is(err, approval.ErrVoted):
		return http.StatusConflict, "You have voted already, and a vote is final."
	case errors.Is(err, approval.ErrWithdrawn):
		return http.StatusConflict, "Your passkey was removed meanwhile. Nothing was changed."
	case errors.As(err, &decided):
		return http.StatusConflict, sentence(decided) + " Nothing was changed."
	default:
		return http.StatusServiceUnavailable, "The vote could not be kept, and does not count: the signer's log says why."
	}
}

// sentence writes an error as a sentence.
func sentence(err error) string {
	text := strings.TrimRight(err.Error(), ".")
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
