package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/console/passkey"
)

// openPasskeys opens the passkeys of those who approve, where there is a console.
func (d *durable) openPasskeys(cfg *config.Config) (err error) {
	a := &cfg.Approvals
	if !a.Console.Enabled {
		return nil
	}
	d.passkeys, err = passkey.New(passkey.Config{
		URL: a.Console.Origin(), People: slices.Sorted(maps.Keys(a.People)), Records: d.store, Journal: approvalsJournal{d}, Logger: d.log,
	})
	if err != nil {
		return usagef("approvals.console: %w", err)
	}
	if d.admin != nil {
		d.admin.Mount(admin.PathPasskeys, newPasskeyServer(d.passkeys, a.Console.Origin(), d.log))
	}
	return nil
}

// recordPasskeys records in an audit log that was not used before the passkeys that were added
// until now, so that it proves by itself who votes.
func (d *durable) recordPasskeys(ctx context.Context) error {
	if d.store == nil || !d.known.Time.IsZero() {
		return nil
	}
	kept, err := passkey.Kept(ctx, d.store)
	if err != nil {
		return err
	}
	for i := range kept {
		if err := d.record(ctx, credentialEntry(kept[i])); err != nil {
			return err
		}
	}
	return nil
}

// passkeyServer answers kvclef approvals enrol and passkeys on the admin socket, which
// is the operator's.
type passkeyServer struct {
	keys *passkey.Passkeys
	url  string // of the console
	log  *slog.Logger
}

func newPasskeyServer(keys *passkey.Passkeys, url string, log *slog.Logger) http.Handler {
	s := &passkeyServer{keys: keys, url: url, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+admin.PathPasskeys, s.list)
	mux.HandleFunc("POST "+admin.PathPasskeys, s.enrol)
	mux.HandleFunc("DELETE "+admin.PathPasskeys, s.remove)
	return mux
}

// shownPasskey is a passkey as commands print it.
type shownPasskey struct {
	Person string    `json:"person"`
	ID     string    `json:"id"`
	Label  string    `json:"label,omitempty"`
	Added  time.Time `json:"added"`
	Used   time.Time `json:"used,omitzero"`
}

// enrolment is a link that adds a passkey of a person.
type enrolment struct {
	Person string    `json:"person"`
	Link   string    `json:"link"`
	Until  time.Time `json:"until"`
}

func (s *passkeyServer) list(w http.ResponseWriter, r *http.Request) {
	all, err := s.keys.All(r.Context())
	shown := make([]shownPasskey, len(all))
	for i, key := range all {
		shown[i] = shownPasskey{key.Person, key.ID, key.Label, key.Added, key.Used}
	}
	s.answer(w, r, shown, err)
}

// enrol makes a link. Browsers send what follows its # nowhere.
func (s *passkeyServer) enrol(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Person string `json:"person"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&asked); err != nil {
		s.answer(w, r, nil, fmt.Errorf("reading whom the link is for: %w", err))
		return
	}
	token, until, err := s.keys.NewToken(r.Context(), asked.Person)
	if err == nil {
		s.log.WarnContext(r.Context(), "Link made that adds a passkey", "person", asked.Person, "until", until)
	}
	s.answer(w, r, enrolment{asked.Person, s.url + "/enrol#" + token, until}, err)
}

func (s *passkeyServer) remove(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	all, err := s.keys.All(r.Context())
	if err == nil {
		err = errors.New("there is no such passkey")
		for _, key := range all {
			if key.ID == id {
				err = s.keys.RemoveBy(r.Context(), key.Person, id, "the operator")
				break
			}
		}
	}
	s.answer(w, r, struct{}{}, err)
}

func (s *passkeyServer) answer(w http.ResponseWriter, r *http.Request, value any, err error) {
	if err != nil {
		s.log.WarnContext(r.Context(), "Request about passkeys refused", "error", err)
		err = admin.Refuse(w, http.StatusConflict, err)
	} else {
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(value)
	}
	if err != nil {
		s.log.DebugContext(r.Context(), "Answer not sent", "error", err)
	}
}
