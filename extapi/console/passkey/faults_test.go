package passkey_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/rules"
)

var errBoom = errors.New("boom")

// lying are records that say of changes that they failed, and have made them or not.
type lying struct {
	rules.Records
	lies, makes bool
}

func (l *lying) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.lies {
		return l.Records.ChangeRecords(ctx, changes...)
	}
	if l.makes {
		if err := l.Records.ChangeRecords(ctx, changes...); err != nil {
			return err
		}
	}
	return errBoom
}

// TestStoreInDoubt: the journal says what is stored, though the store said that it
// failed.
func TestStoreInDoubt(t *testing.T) {
	for name, makes := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			d, on := newDesk(t), device(t)
			records := &lying{Records: d.records, makes: makes}
			d.cfg.Records = records
			d.open(t)
			token, _, err := d.NewToken(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			_, options, err := d.BeginEnrol(t.Context(), "b", token)
			if err != nil {
				t.Fatal(err)
			}
			records.lies = true
			_, err = d.FinishEnrol(t.Context(), "b", "", on.Create(t, options))
			keys, unread := d.List(t.Context(), "alice")
			added := d.journal.events[len(d.journal.events)-1].Added
			if (err == nil) != makes || unread != nil || (len(keys) == 1) != makes || added != makes {
				t.Fatalf("%v, %v, %+v, %+v", err, unread, keys, d.journal.events)
			}
			if !makes {
				records.lies = false
				d.enrol(t, "alice", on)
				records.lies = true
			}
			err = d.Remove(t.Context(), "alice", b64(on.ID))
			keys, unread = d.List(t.Context(), "alice")
			added = d.journal.events[len(d.journal.events)-1].Added
			if (err == nil) != makes || unread != nil || (len(keys) == 0) != makes || added == makes {
				t.Errorf("%v, %v, %+v, %+v", err, unread, keys, d.journal.events)
			}
		})
	}
}

// TestHangUp: who asked and has gone leaves nothing half done.
func TestHangUp(t *testing.T) {
	d, on := newDesk(t), device(t)
	ctx, hangUp := context.WithCancel(t.Context())
	d.cfg.Records = &lying{Records: d.records}
	d.cfg.Journal = strict{d.journal}
	d.open(t)
	d.enrol(t, "alice", on)
	hangUp()
	if err := d.Remove(ctx, "alice", b64(on.ID)); err != nil {
		t.Errorf("%v", err)
	}
	if last := d.journal.events[len(d.journal.events)-1]; last.Added || last.ID != b64(on.ID) {
		t.Errorf("journal %+v", d.journal.events)
	}
}

// strict is a journal that writes nothing for who has gone.
type strict struct{ *journal }

func (s strict) Credential(ctx context.Context, event passkey.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.journal.Credential(ctx, event)
}

// TestStrangersLeaveRoom: who begins to sign in, again and again, keeps nobody from
// voting, and is forgotten in time.
func TestStrangersLeaveRoom(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	var busy error
	begun := 0
	for ; busy == nil && begun < 5000; begun++ {
		_, busy = d.BeginLogin(t.Context(), fmt.Sprint("stranger ", begun))
	}
	if busy == nil || !passkey.Told(busy) {
		t.Fatalf("%d may begin to sign in", begun)
	}
	if _, err := d.vote(t, on, ballot()); err != nil {
		t.Errorf("%v", err)
	}
	d.now = d.now.Add(4 * time.Minute)
	if _, err := d.login(t, on); err != nil {
		t.Errorf("after 4 minutes: %v", err)
	}
}

// TestOneOfMany: many browsers that use a link at once add one passkey.
func TestOneOfMany(t *testing.T) {
	d := newDesk(t)
	token, _, err := d.NewToken(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	d.open(t) // the link outlives the signer
	finish := make([]func() error, 8)
	for i := range finish {
		browser, on := fmt.Sprint(i), device(t)
		_, options, err := d.BeginEnrol(t.Context(), browser, token)
		if err != nil {
			t.Fatal(err)
		}
		answer := on.Create(t, options)
		finish[i] = func() error {
			_, err := d.FinishEnrol(t.Context(), browser, "", answer)
			return err
		}
	}
	var added atomic.Int32
	var all sync.WaitGroup
	for _, one := range finish {
		all.Go(func() {
			if one() == nil {
				added.Add(1)
			}
		})
	}
	all.Wait()
	if keys, err := d.List(t.Context(), "alice"); err != nil || len(keys) != 1 || added.Load() != 1 || len(d.journal.events) != 1 {
		t.Errorf("%d added, %+v, %+v, %v", added.Load(), keys, d.journal.events, err)
	}
}

// TestRemovedMeanwhile: a passkey that is removed between the question and the answer
// neither votes nor signs in, and who may have signed in by it is told of.
func TestRemovedMeanwhile(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	second := device(t)
	d.enrol(t, "alice", second)
	var told []string
	d.OnRemoved(func(person string) { told = append(told, person) })
	voting, err := d.BeginVote(t.Context(), "b", ballot())
	if err != nil {
		t.Fatal(err)
	}
	signing, err := d.BeginLogin(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveBy(t.Context(), "alice", b64(on.ID), "the operator"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishVote(t.Context(), "b", on.Get(t, voting)); err == nil {
		t.Error("it votes")
	}
	if _, err := d.FinishLogin(t.Context(), "c", on.Get(t, signing)); err == nil {
		t.Error("it signs in")
	}
	if strings.Join(told, " ") != "alice" {
		t.Errorf("told %v", told)
	}
	kept, err := passkey.Kept(t.Context(), d.records)
	if err != nil || len(kept) != 1 || !kept[0].Kept || kept[0].ID != b64(second.ID) || kept[0].PublicKey != d.journal.events[1].PublicKey {
		t.Errorf("%+v, %v", kept, err)
	}
}

// TestRecordsAreRead strictly: what is not known opens nothing.
func TestRecordsAreRead(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"another version": func(text string) string { return strings.Replace(text, `"version":1`, `"version":2`, 1) },
		"a new member":    func(text string) string { return strings.Replace(text, `{`, `{"more":1,`, 1) },
		"more after it":   func(text string) string { return text + "{}" },
		"another person":  func(text string) string { return strings.Replace(text, `"alice"`, `"bob"`, 1) },
		"no key": func(text string) string {
			return `{"version":1,"person":"alice","added":"2026-03-01T12:00:00Z","credential":{}}`
		},
		"no JSON": func(string) string { return "x" },
	} {
		t.Run(name, func(t *testing.T) {
			d, on := newDesk(t), device(t)
			d.enrol(t, "alice", on)
			var key string
			var value []byte
			if err := d.records.EachRecord(t.Context(), "credential/", func(k string, v []byte) error {
				key, value = k, append([]byte(nil), v...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			changed := change(string(value))
			if changed == string(value) {
				t.Fatal("nothing is changed")
			}
			if err := d.records.ChangeRecords(t.Context(), rules.Change{Key: key, Old: value, New: []byte(changed)}); err != nil {
				t.Fatal(err)
			}
			if person, err := d.login(t, on); err == nil {
				t.Errorf("%s signs in", person)
			}
			if _, err := d.vote(t, on, ballot()); err == nil {
				t.Error("it votes")
			}
		})
	}
}
