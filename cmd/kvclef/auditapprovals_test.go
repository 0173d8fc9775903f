package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/extapi/console/passkey/passkeytest"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// enrolments is a journal in memory.
type enrolments struct{ credentials []passkey.Event }

func (j *enrolments) Credential(_ context.Context, event passkey.Event) error {
	j.credentials = append(j.credentials, event)
	return nil
}

// provenVotes are the entries of a ticket that alice and bob have approved by passkey.
func provenVotes(t *testing.T) []audit.Entry {
	t.Helper()
	journal := new(enrolments)
	keys, err := passkey.New(passkey.Config{
		URL: "http://localhost:8551", People: []string{"alice", "bob"}, Records: memory.NewRecords(), Journal: journal, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	hash := common.Hash{7}
	votes := []audit.Entry{{Event: audit.EventTicket, State: "opened", Ticket: "t", TicketHash: hash.Hex(), Quorum: "2 of finance and 1 of board"}}
	for _, person := range []string{"alice", "bob"} {
		device := passkeytest.New(t, "http://localhost:8551", "localhost")
		token, _, err := keys.NewToken(t.Context(), person)
		if err != nil {
			t.Fatal(err)
		}
		_, options, err := keys.BeginEnrol(t.Context(), "b", token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.FinishEnrol(t.Context(), "b", "", device.Create(t, options)); err != nil {
			t.Fatal(err)
		}
		if options, err = keys.BeginVote(t.Context(), "b", approval.Ballot{Ticket: "t", Hash: hash, Person: person, Approve: true, Comment: "fine"}); err != nil {
			t.Fatal(err)
		}
		ballot, err := keys.FinishVote(t.Context(), "b", device.Get(t, options))
		if err != nil {
			t.Fatal(err)
		}
		votes = append(votes, ticketEntry(approval.Event{What: approval.WhatVote, Ballot: &ballot}))
	}
	var all []audit.Entry
	for _, event := range journal.credentials {
		all = append(all, credentialEntry(event))
	}
	all = append(all, votes...)
	return append(all, audit.Entry{Event: audit.EventDecision, Ticket: "t", Verdict: "approve"})
}

// TestApprovalsAreProved: what people approved is shown by their votes, and votes by
// what their passkeys have signed.
func TestApprovalsAreProved(t *testing.T) {
	t.Parallel()
	const (
		alicesKey = iota
		bobsKey
		opened
		alices
		bobs
		decision
	)
	good := provenVotes(t)
	for name, tt := range map[string]struct {
		change func([]audit.Entry) []audit.Entry
		want   string // of the first fault; "": none
	}{
		"as it was": {change: func(e []audit.Entry) []audit.Entry { return e }},
		"a swapped comment": {func(e []audit.Entry) []audit.Entry {
			e[alices].Comment = "not fine"
			return e
		}, "entry 4: the vote of alice on ticket t is not proved: the assertion is for another vote"},
		"a rejection turned around": {func(e []audit.Entry) []audit.Entry {
			e[bobs].Vote = "reject"
			return e
		}, "entry 5: the vote of bob on ticket t is not proved"},
		"another's proof": {func(e []audit.Entry) []audit.Entry {
			e[bobs].Proof = e[alices].Proof
			return e
		}, "entry 5: the vote of bob on ticket t is not proved: the passkey was not added before, or was removed"},
		"another's key": {func(e []audit.Entry) []audit.Entry {
			e[bobsKey].PublicKey = e[alicesKey].PublicKey
			return e
		}, "entry 5: the vote of bob on ticket t is not proved: the signature is not by this passkey"},
		"a removed passkey": {func(e []audit.Entry) []audit.Entry {
			gone := e[bobsKey]
			gone.State = credentialRemoved
			return append(append(append([]audit.Entry(nil), e[:opened]...), gone), e[opened:]...)
		}, "entry 6: the vote of bob on ticket t is not proved"},
		"no proof": {func(e []audit.Entry) []audit.Entry {
			e[alices].Proof = ""
			return e
		}, "entry 4: the vote of alice on ticket t is not proved: decoding the proof"},
		"a vote too few": {
			func(e []audit.Entry) []audit.Entry { return append(e[:bobs], e[decision]) },
			"entry 5: approved by ticket t with 1 of 2 votes",
		},
		"a vote that was not kept": {func(e []audit.Entry) []audit.Entry {
			failed := e[bobs]
			failed.Error = "keeping the vote: no space"
			return append(e[:decision], failed, e[decision])
		}, "entry 7: approved by ticket t with 1 of 2 votes"},
		"another content": {func(e []audit.Entry) []audit.Entry {
			e[opened].TicketHash = common.Hash{8}.Hex()
			return e
		}, "entry 4: alice voted on another content of ticket t than was opened"},
		"no ticket": {
			func(e []audit.Entry) []audit.Entry { return append(e[:opened], e[decision]) },
			"entry 3: approved by ticket t, which was not opened, or has ended",
		},
		"after its end": {func(e []audit.Entry) []audit.Entry {
			return append(e[:decision], audit.Entry{Event: audit.EventTicket, State: "expired", Ticket: "t"}, e[decision])
		}, "entry 7: approved by ticket t, which was not opened, or has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := newApprovalsCheck(false)
			for i, e := range tt.change(append([]audit.Entry(nil), good...)) {
				e.Seq = uint64(i) + 1 // #nosec G115 -- an index
				check.add(e)
			}
			switch {
			case tt.want == "" && (check.failure() != nil || check.text() != "2 votes, of which 2 proved by passkeys; people approved 1 request"):
				t.Errorf("%s; %v", check.text(), check.Unproved)
			case tt.want != "" && (check.failure() == nil || !strings.HasPrefix(check.Unproved[0], tt.want)):
				t.Errorf("%q, want %q", check.Unproved, tt.want)
			}
		})
	}
}
