package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a form of the page has, in bytes.
const (
	maxToken = 128
	maxLabel = 64
)

// enrol shows the page of a one-time link. The token is behind the # of its address,
// which browsers send nowhere: the script takes it from there.
func (s *Server) enrol(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "enrol", &page{Title: "Enrol a passkey"})
}

// beginEnrol answers with the options of a new passkey.
func (s *Server) beginEnrol(w http.ResponseWriter, r *http.Request) {
	token := r.PostForm.Get("enrolment")
	if token == "" || len(token) > maxToken {
		s.fail(w, r, nil, http.StatusBadRequest, "The link is not complete: copy it whole.")
		return
	}
	person, options, err := s.cfg.Passkeys.BeginEnrol(r.Context(), s.browser(w, r, true), token)
	if err != nil {
		s.log.WarnContext(r.Context(), "Enrolment refused", "remote", remoteHost(r), "error", err)
		s.fail(w, r, nil, http.StatusForbidden, "The passkey can't be enrolled: "+err.Error()+".")
		return
	}
	s.answer(w, r, http.StatusOK, struct {
		Person  string          `json:"person"`
		Options json.RawMessage `json:"options"`
	}{person, options})
}

// finishEnrol keeps a new passkey.
func (s *Server) finishEnrol(w http.ResponseWriter, r *http.Request) {
	browser, answer := s.browser(w, r, false), json.RawMessage(r.PostForm.Get("answer"))
	label := strings.TrimSpace(r.PostForm.Get("label"))
	p := &page{Title: "Enrol a passkey"}
	switch {
	case browser == "" || !json.Valid(answer):
		p.Alert = "It took too long, or the browser keeps no cookies: open the link again."
		s.render(w, r, http.StatusBadRequest, "enrol", p)
		return
	case len(label) > maxLabel || !utf8.ValidString(label) || strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }):
		p.Alert = "The name of the passkey is too long, or has characters that can't be shown: open the link again."
		s.render(w, r, http.StatusBadRequest, "enrol", p)
		return
	}
	s.cookies.drop(w, s.cookies.browser, http.SameSiteStrictMode)
	person, err := s.cfg.Passkeys.FinishEnrol(r.Context(), browser, label, answer)
	if err != nil {
		s.log.WarnContext(r.Context(), "Enrolment refused", "remote", remoteHost(r), "error", err)
		p.Alert = "The passkey is not enrolled: " + err.Error() + "."
		s.render(w, r, http.StatusForbidden, "enrol", p)
		return
	}
	s.log.InfoContext(r.Context(), "Passkey enrolled", "person", person, "remote", remoteHost(r))
	http.Redirect(w, r, "/signin?after=enrol", http.StatusSeeOther)
}

// passkeysBody is what the page of somebody's passkeys shows.
type passkeysBody struct{ Passkeys []Passkey }

// passkeys shows those of the person.
func (s *Server) passkeys(w http.ResponseWriter, r *http.Request, of *session) {
	s.passkeysPage(w, r, of, http.StatusOK, "")
}

func (s *Server) passkeysPage(w http.ResponseWriter, r *http.Request, of *session, status int, alert string) {
	all, err := s.cfg.Passkeys.List(r.Context(), of.person)
	if err != nil {
		s.fail(w, r, of, http.StatusServiceUnavailable, "Your passkeys can't be read: "+err.Error()+".")
		return
	}
	p := s.pageOf(of, "Your passkeys", "passkeys", passkeysBody{all})
	p.Alert = alert
	s.render(w, r, status, "passkeys", p)
}

// removePasskey removes one of the person's. Whoever signed in with it elsewhere is
// signed out.
func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request, of *session) {
	if err := s.cfg.Passkeys.Remove(r.Context(), of.person, r.PostForm.Get("id")); err != nil {
		s.log.WarnContext(r.Context(), "Passkey not removed", "person", of.person, "error", err)
		s.passkeysPage(w, r, of, http.StatusConflict, "The passkey was not removed: "+err.Error()+".")
		return
	}
	s.sessions.dropOthers(of)
	s.log.InfoContext(r.Context(), "Passkey removed", "person", of.person, "remote", remoteHost(r))
	http.Redirect(w, r, "/passkeys", http.StatusSeeOther)
}
