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
	votes := []audit.Entry{{Event: audit.EventTicket, State: "opened", Ticket: "t", TicketHash: hash.Hex(), Digest: "0x01", Quorum: "2 of finance and 1 of board"}}
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
	return append(all, audit.Entry{Event: audit.EventDecision, Request: "r", Ticket: "t", Verdict: "approve", Digest: "0x01"})
}

// signed is an outcome.
func signed(request string, repeat bool) audit.Entry {
	return audit.Entry{Event: audit.EventOutcome, Request: request, Outcome: "signed", Repeat: repeat}
}

// again is a decision for another request.
func again(decision audit.Entry) audit.Entry {
	decision.Request = "r2"
	return decision
}

// rejection is a vote in a terminal.
func rejection(of, problem string) audit.Entry {
	return audit.Entry{Event: audit.EventVote, Ticket: "t", TicketHash: common.Hash{7}.Hex(), Approver: of, Vote: "reject", Way: "terminal", Error: problem}
}

// TestApprovalsInParts: what rests on entries that are kept elsewhere is no fault, and is
// counted; what can be checked is.
func TestApprovalsInParts(t *testing.T) {
	t.Parallel()
	all := provenVotes(t)
	for name, tt := range map[string]struct {
		from, votes, proved, unchecked int
		change                         func([]audit.Entry)
		want                           string // fault
	}{
		"from the start":  {from: 0, votes: 2, proved: 2},
		"from one key on": {from: 1, votes: 2, proved: 1, unchecked: 1},
		"from the ticket": {from: 2, votes: 2, unchecked: 2},
		"from the votes":  {from: 3, votes: 2, unchecked: 3},
		"decision alone":  {from: 5, unchecked: 1},
		"changed":         {from: 1, votes: 2, unchecked: 1, change: func(e []audit.Entry) { e[4].Comment = "x" }, want: "the vote of bob"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entries := append([]audit.Entry(nil), all...)
			if tt.change != nil {
				tt.change(entries)
			}
			check := newApprovalsCheck(true)
			for _, e := range entries[tt.from:] {
				check.add(e)
			}
			if check.Votes != tt.votes || check.Proved != tt.proved || check.Unchecked != tt.unchecked || (check.failure() == nil) != (tt.want == "") {
				t.Errorf("%+v", check)
			}
			if tt.want != "" && !strings.Contains(check.failure().Error(), tt.want) {
				t.Errorf("%v, want %q", check.failure(), tt.want)
			}
			if strings.Contains(check.text(), "older entries") != (tt.unchecked > 0) {
				t.Errorf("%q", check.text())
			}
		})
	}
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
		"another request": {func(e []audit.Entry) []audit.Entry {
			e[decision].Digest = "0x02"
			return e
		}, "entry 6: ticket t was about another digest"},
		"signed": {func(e []audit.Entry) []audit.Entry { return append(e, signed("r", false)) }, ""},
		"signed after a failure": {func(e []audit.Entry) []audit.Entry {
			return append(e, audit.Entry{Event: audit.EventOutcome, Request: "r", Outcome: "not signed"}, again(e[decision]), signed("r2", false))
		}, ""},
		"given twice": {func(e []audit.Entry) []audit.Entry {
			return append(e, again(e[decision]), signed("r", false), signed("r2", true))
		}, ""},
		"signed twice": {func(e []audit.Entry) []audit.Entry {
			return append(e, signed("r", false), again(e[decision]), signed("r2", false))
		}, "entry 9: ticket t was used for another signature before, of the request r"},
		"cut short by a crash": {func(e []audit.Entry) []audit.Entry {
			return append(append(append([]audit.Entry(nil), e[:alices]...), e[alices]), e[alices:]...)
		}, ""},
		"rejected": {func(e []audit.Entry) []audit.Entry {
			return append(append(append([]audit.Entry(nil), e[:decision]...), rejection("carol", "")), e[decision])
		}, "entry 7: approved by ticket t, which carol has rejected"},
		"a rejection that was not kept": {func(e []audit.Entry) []audit.Entry {
			return append(append(append([]audit.Entry(nil), e[:decision]...), rejection("carol", ""), rejection("carol", "keeping the vote: no space")), e[decision])
		}, ""},
		"a failed ticket": {func(e []audit.Entry) []audit.Entry {
			return append(append(append([]audit.Entry(nil), e[:decision]...), audit.Entry{Event: audit.EventTicket, State: "failed", Ticket: "t"}), e[decision])
		}, "entry 7: approved by ticket t, which was not opened, or has ended"},
		"a key from before": {func(e []audit.Entry) []audit.Entry {
			e[alicesKey].State, e[bobsKey].State = credentialKept, credentialKept
			return e
		}, ""},
		"a key from before that is known": {func(e []audit.Entry) []audit.Entry {
			kept := e[bobsKey]
			kept.State = credentialKept
			return append(append(append([]audit.Entry(nil), e[:opened]...), kept), e[opened:]...)
		}, ""},
		"a key from before that was removed": {func(e []audit.Entry) []audit.Entry {
			gone, kept := e[bobsKey], e[bobsKey]
			gone.State, kept.State = credentialRemoved, credentialKept
			return append(append(append([]audit.Entry(nil), e[:opened]...), gone, kept), e[opened:]...)
		}, "entry 4: a passkey of bob that is said to be older than the log, which does not know it"},
		"another key from before": {func(e []audit.Entry) []audit.Entry {
			kept := e[bobsKey]
			kept.State, kept.PublicKey = credentialKept, e[alicesKey].PublicKey
			return append(append(append([]audit.Entry(nil), e[:opened]...), kept), e[opened:]...)
		}, "entry 3: a passkey of bob that is said to be older than the log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := newApprovalsCheck(false)
			for i, e := range tt.change(append([]audit.Entry(nil), good...)) {
				e.Seq = uint64(i) + 1 // #nosec G115 -- an index
				check.add(e)
			}
			switch {
			case tt.want == "" && (check.failure() != nil || check.Votes-check.Proved > 0 || !strings.HasPrefix(check.text(), "2 votes, of which 2 proved by passkeys; people approved ")):
				t.Errorf("%s; %v", check.text(), check.Unproved)
			case tt.want != "" && (check.failure() == nil || !strings.HasPrefix(check.Unproved[0], tt.want)):
				t.Errorf("%q, want %q", check.Unproved, tt.want)
			}
		})
	}
}
