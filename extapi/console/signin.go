package console

import (
	"encoding/json"
	"net/http"
	"time"
)

// attemptAge is how long a browser is known that has not signed in.
const attemptAge = 10 * time.Minute

// signinBody is what the page to sign in shows.
type signinBody struct {
	Passkeys, OIDC bool
	Next           string
	Said           string // what has just happened; "" is nothing
}

// signin shows how people sign in.
func (s *Server) signin(w http.ResponseWriter, r *http.Request) {
	next := nextOf(r.URL.Query().Get("next"))
	if s.sessions.find(s.cookies.get(r, s.cookies.session), true) != nil {
		http.Redirect(w, r, next, http.StatusSeeOther) // #nosec G710 -- a page of the console, see nextOf
		return
	}
	s.signinPage(w, r, http.StatusOK, next, "")
}

func (s *Server) signinPage(w http.ResponseWriter, r *http.Request, status int, next, alert string) {
	body := signinBody{Passkeys: s.cfg.Passkeys != nil, OIDC: s.issuer != nil, Next: next}
	switch r.URL.Query().Get("after") {
	case "signout":
		body.Said = "You are signed out."
	case "enrol":
		body.Said = "Your passkey is enrolled: sign in with it."
	}
	s.render(w, r, status, "signin", &page{Title: "Sign in", Alert: alert, Body: body})
}

// browser returns what passkeys know a browser by that has not signed in.
func (s *Server) browser(w http.ResponseWriter, r *http.Request, begin bool) string {
	if id := s.cookies.get(r, s.cookies.browser); len(id) == len(secret()) && !begin {
		return id
	}
	if !begin {
		return ""
	}
	id := secret()
	s.cookies.set(w, s.cookies.browser, id, http.SameSiteStrictMode, attemptAge)
	return id
}

// beginLogin answers with the options of a sign-in by passkey.
func (s *Server) beginLogin(w http.ResponseWriter, r *http.Request) {
	options, err := s.cfg.Passkeys.BeginLogin(r.Context(), s.browser(w, r, true))
	if err != nil {
		s.fail(w, r, nil, http.StatusServiceUnavailable, "Signing in does not work now: "+err.Error()+".")
		return
	}
	s.answer(w, r, http.StatusOK, map[string]json.RawMessage{"options": options})
}

// finishLogin begins a session for whose passkey has answered.
func (s *Server) finishLogin(w http.ResponseWriter, r *http.Request) {
	next, browser := nextOf(r.PostForm.Get("next")), s.browser(w, r, false)
	answer := json.RawMessage(r.PostForm.Get("answer"))
	if browser == "" || !json.Valid(answer) {
		s.signinPage(w, r, http.StatusBadRequest, next, "The sign-in took too long, or the browser keeps no cookies: try it again.")
		return
	}
	s.cookies.drop(w, s.cookies.browser, http.SameSiteStrictMode)
	person, err := s.cfg.Passkeys.FinishLogin(r.Context(), browser, answer)
	if err == nil {
		if _, known := s.cfg.People[person]; !known {
			err = errNobody
		}
	}
	if err != nil {
		s.log.WarnContext(r.Context(), "Sign-in refused", "way", wayPasskey, "remote", remoteHost(r), "error", err)
		s.signinPage(w, r, http.StatusForbidden, next, "You are not signed in: "+err.Error()+".")
		return
	}
	if s.begin(w, r, person, wayPasskey) {
		http.Redirect(w, r, next, http.StatusSeeOther) // #nosec G710 -- a page of the console, see nextOf
	}
}

// begin begins a session, unless the console ends.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, person, way string) bool {
	s.sessions.drop(s.cookies.get(r, s.cookies.session)) // of whoever was here before
	cookie := s.sessions.begin(person, way)
	if cookie == "" {
		s.fail(w, r, nil, http.StatusServiceUnavailable, "The signer is stopping.")
		return false
	}
	s.attempts.welcome(r)
	s.cookies.set(w, s.cookies.session, cookie, http.SameSiteStrictMode, s.cfg.Lifetime)
	s.log.InfoContext(r.Context(), "Person signed in", "person", person, "way", way, "remote", remoteHost(r))
	return true
}

// signout ends a session.
func (s *Server) signout(w http.ResponseWriter, r *http.Request, of *session) {
	s.sessions.drop(s.cookies.get(r, s.cookies.session))
	s.cookies.drop(w, s.cookies.session, http.SameSiteStrictMode)
	s.log.InfoContext(r.Context(), "Person signed out", "person", of.person, "remote", remoteHost(r))
	http.Redirect(w, r, "/signin?after=signout", http.StatusSeeOther)
}
