package passkey_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/extapi/console/passkey/passkeytest"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testOrigin = "http://localhost:8551"

func device(t *testing.T) *passkeytest.Device {
	t.Helper()
	return passkeytest.New(t, testOrigin, "localhost")
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// journal keeps what it is told, or fails.
type journal struct {
	mu     sync.Mutex
	events []passkey.Event
	fail   error
}

func (j *journal) Credential(_ context.Context, event passkey.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail == nil {
		j.events = append(j.events, event)
	}
	return j.fail
}

// desk is a console's passkeys with all around them.
type desk struct {
	*passkey.Passkeys
	cfg     passkey.Config
	records *memory.Records
	journal *journal
	now     time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{records: memory.NewRecords(), journal: new(journal), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	d.cfg = passkey.Config{
		URL: testOrigin, People: []string{"alice", "bob"}, Records: d.records, Journal: d.journal, Logger: slog.New(slog.DiscardHandler),
		Clock: func() time.Time { return d.now },
	}
	d.open(t)
	return d
}

func (d *desk) open(t *testing.T) {
	t.Helper()
	var err error
	if d.Passkeys, err = passkey.New(d.cfg); err != nil {
		t.Fatal(err)
	}
}

// enrol adds a passkey of a person.
func (d *desk) enrol(t *testing.T, person string, on *passkeytest.Device) {
	t.Helper()
	token, _, err := d.NewToken(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	of, options, err := d.BeginEnrol(t.Context(), "b", token)
	if err != nil || of != person {
		t.Fatalf("%s, %v", of, err)
	}
	if of, err := d.FinishEnrol(t.Context(), "b", "my \u202elaptop", on.Create(t, options)); err != nil || of != person {
		t.Fatalf("%s, %v", of, err)
	}
}

func (d *desk) login(t *testing.T, on *passkeytest.Device) (string, error) {
	t.Helper()
	options, err := d.BeginLogin(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	return d.FinishLogin(t.Context(), "b", on.Get(t, options))
}

func ballot() approval.Ballot {
	return approval.Ballot{Ticket: "abcdefgh234567ab", Hash: common.Hash{7}, Person: "alice", Approve: true, Comment: "as agreed"}
}

func (d *desk) vote(t *testing.T, on *passkeytest.Device, b approval.Ballot) (approval.Ballot, error) {
	t.Helper()
	options, err := d.BeginVote(t.Context(), "b", b)
	if err != nil {
		return approval.Ballot{}, err
	}
	return d.FinishVote(t.Context(), "b", on.Get(t, options))
}

// TestPasskey goes from the link to a vote that can be proved, over a restart.
func TestPasskey(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	d.open(t)
	if person, err := d.login(t, on); err != nil || person != "alice" {
		t.Fatalf("%s, %v", person, err)
	}
	cast, err := d.vote(t, on, ballot())
	if err != nil || cast.Way != "passkey" || cast.Person != "alice" || !cast.Approve {
		t.Fatalf("%+v, %v", cast, err)
	}
	if len(d.journal.events) != 1 || !d.journal.events[0].Added || d.journal.events[0].Person != "alice" || d.journal.events[0].RPID != "localhost" {
		t.Fatalf("journal %+v", d.journal.events)
	}
	public, err := base64.RawURLEncoding.DecodeString(d.journal.events[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	claim := passkey.Claim{Ticket: cast.Ticket, Hash: cast.Hash, Person: cast.Person, Approve: true, Comment: cast.Comment}
	if err := passkey.Verify(cast.Proof, public, claim); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*passkey.Claim){
		"another ticket":  func(c *passkey.Claim) { c.Ticket = "bbcdefgh234567ab" },
		"another hash":    func(c *passkey.Claim) { c.Hash[0]++ },
		"another person":  func(c *passkey.Claim) { c.Person = "bob" },
		"another verdict": func(c *passkey.Claim) { c.Approve = false },
		"another comment": func(c *passkey.Claim) { c.Comment = "" },
	} {
		other := claim
		change(&other)
		if err := passkey.Verify(cast.Proof, public, other); err == nil {
			t.Errorf("%s is proved", name)
		}
	}
	for i := range cast.Proof {
		changed := append([]byte(nil), cast.Proof...)
		changed[i] ^= 1
		if err := passkey.Verify(changed, public, claim); err == nil && !strings.Contains(string(cast.Proof[max(0, i-60):i]), `"credential":"`) {
			t.Fatalf("changed at %d: %q is proved", i, changed)
		}
	}
	keys, err := d.List(t.Context(), "alice")
	if err != nil || len(keys) != 1 || keys[0].Label != "my laptop" || keys[0].Used.IsZero() {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestRefused: what is not from the person, for this vote, at this place and now does
// not count.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*passkeytest.Device){
		"another origin": func(on *passkeytest.Device) { on.Origin = "http://localhost:9999" },
		"another host":   func(on *passkeytest.Device) { on.RPID = "evil.example" },
		"not verified":   func(on *passkeytest.Device) { on.Flags = passkeytest.Present },
		"nobody there":   func(on *passkeytest.Device) { on.Flags = passkeytest.Verified },
		"a copy":         func(on *passkeytest.Device) { on.Counter = 0 },
		"another key":    func(on *passkeytest.Device) { on.Key = device(t).Key },
		"another device": func(on *passkeytest.Device) { on.ID = device(t).ID },
		"another handle": func(on *passkeytest.Device) { on.Handle = []byte("bob") },
	} {
		t.Run(name, func(t *testing.T) {
			d, on := newDesk(t), device(t)
			d.enrol(t, "alice", on)
			for range 3 {
				if _, err := d.login(t, on); err != nil {
					t.Fatal(err)
				}
			}
			change(on)
			if person, err := d.login(t, on); err == nil || person != "" || !passkey.Told(err) {
				t.Errorf("%s signs in, %v", person, err)
			}
			change(on)
			if cast, err := d.vote(t, on, ballot()); err == nil || cast.Proof != nil || !passkey.Told(err) {
				t.Errorf("%+v, %v", cast, err)
			}
		})
	}
}

// TestOnce: each question is answered once, soon, and by what was asked.
func TestOnce(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	options, err := d.BeginVote(t.Context(), "b", ballot())
	if err != nil {
		t.Fatal(err)
	}
	answer := on.Get(t, options)
	if _, err := d.FinishVote(t.Context(), "other", answer); err == nil {
		t.Error("another browser has answered")
	}
	if _, err := d.FinishLogin(t.Context(), "b", answer); err == nil {
		t.Error("a vote signs in")
	}
	if _, err := d.FinishVote(t.Context(), "b", answer); err == nil {
		t.Error("an answer to what was asked and left is taken")
	}
	if _, err = d.BeginVote(t.Context(), "b", ballot()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishVote(t.Context(), "b", answer); err == nil {
		t.Error("an answer to another question is taken")
	}
	if options, err = d.BeginVote(t.Context(), "b", ballot()); err != nil {
		t.Fatal(err)
	}
	answer = on.Get(t, options)
	if _, err := d.FinishVote(t.Context(), "b", answer); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishVote(t.Context(), "b", answer); err == nil {
		t.Error("a vote is cast twice")
	}
	if options, err = d.BeginVote(t.Context(), "b", ballot()); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(4 * time.Minute)
	if _, err := d.FinishVote(t.Context(), "b", on.Get(t, options)); err == nil {
		t.Error("an answer is taken after 4 minutes")
	}
}

// TestTokens: a link is for one person, one passkey and 15 minutes.
func TestTokens(t *testing.T) {
	d, on := newDesk(t), device(t)
	if _, _, err := d.NewToken(t.Context(), "mallory"); err == nil {
		t.Error("a stranger gets a link")
	}
	token, until, err := d.NewToken(t.Context(), "alice")
	if err != nil || !until.Equal(d.now.Add(15*time.Minute)) {
		t.Fatal(until, err)
	}
	stored := ""
	_ = d.records.EachRecord(t.Context(), "", func(key string, value []byte) error { // it never fails
		stored += key + string(value)
		return nil
	})
	if strings.Contains(stored, token) {
		t.Error("the token is stored")
	}
	_, options, err := d.BeginEnrol(t.Context(), "b", token)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := d.BeginEnrol(t.Context(), "c", token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishEnrol(t.Context(), "b", "", on.Create(t, options)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishEnrol(t.Context(), "c", "", device(t).Create(t, second)); err == nil {
		t.Error("a link adds two passkeys")
	}
	if _, _, err := d.BeginEnrol(t.Context(), "b", token); err == nil {
		t.Error("a link is used twice")
	}
	if token, _, err = d.NewToken(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if _, options, err = d.BeginEnrol(t.Context(), "b", token); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishEnrol(t.Context(), "b", "", on.Create(t, options)); err == nil {
		t.Error("a passkey is of two people")
	}
	d.now = d.now.Add(15 * time.Minute)
	if _, _, err := d.BeginEnrol(t.Context(), "b", token); err == nil {
		t.Error("a link is used after 15 minutes")
	}
	if _, _, err := d.BeginEnrol(t.Context(), "b", "x"); err == nil {
		t.Error("any text is a link")
	}
	weak := device(t)
	weak.Flags = passkeytest.Present
	if token, _, err = d.NewToken(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if _, options, err = d.BeginEnrol(t.Context(), "b", token); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishEnrol(t.Context(), "b", "", weak.Create(t, options)); err == nil {
		t.Error("a passkey that verifies nobody is added")
	}
}

// TestJournal: no passkey is added that is not on record, and a removed one is of no
// use.
func TestJournal(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.journal.fail = errors.New("no space left")
	token, _, err := d.NewToken(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	_, options, err := d.BeginEnrol(t.Context(), "b", token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishEnrol(t.Context(), "b", "", on.Create(t, options)); err == nil || strings.Contains(err.Error(), "space") {
		t.Errorf("%v", err)
	}
	if keys, err := d.List(t.Context(), "alice"); err != nil || len(keys) != 0 {
		t.Errorf("%+v, %v", keys, err)
	}
	d.journal.fail = nil
	d.enrol(t, "alice", on)
	if err := d.Remove(t.Context(), "bob", b64(on.ID)); err == nil {
		t.Error("another's passkey is removed")
	}
	if err := d.RemoveBy(t.Context(), "alice", b64(on.ID), "operator"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.login(t, on); err == nil {
		t.Error("a removed passkey signs in")
	}
	if _, err := d.vote(t, on, ballot()); err == nil {
		t.Error("a removed passkey votes")
	}
	if last := d.journal.events[len(d.journal.events)-1]; last.Added || last.By != "operator" {
		t.Errorf("journal %+v", last)
	}
	d.cfg.People = []string{"bob"}
	d.open(t)
	if all, err := d.All(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestFormerPeople: who may not approve any more does not sign in.
func TestFormerPeople(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	d.cfg.People = []string{"bob"}
	d.open(t)
	if person, err := d.login(t, on); err == nil {
		t.Errorf("%s signs in", person)
	}
	if _, err := d.vote(t, on, ballot()); err == nil {
		t.Error("it votes")
	}
}
