package console

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// routes returns what answers requests.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/console.css", asset("console.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /assets/console.js", asset("console.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /assets/icon.svg", asset("icon.svg", "image/svg+xml"))

	mux.HandleFunc("GET /signin", s.signin)
	if s.cfg.Passkeys != nil {
		mux.HandleFunc("POST /signin/passkey/begin", s.attempted(s.beginLogin))
		mux.HandleFunc("POST /signin/passkey", s.attempted(s.finishLogin))
		mux.HandleFunc("GET /enrol", s.enrol)
		mux.HandleFunc("POST /enrol/begin", s.attempted(s.beginEnrol))
		mux.HandleFunc("POST /enrol", s.attempted(s.finishEnrol))
		mux.HandleFunc("GET /passkeys", s.signedIn(s.passkeys))
		mux.HandleFunc("POST /passkeys/remove", s.signedIn(s.removePasskey))
	}
	if s.issuer != nil {
		mux.HandleFunc("GET /signin/oidc", s.attempted(s.beginOIDC))
		mux.HandleFunc("GET "+callbackPath, s.attempted(s.finishOIDC))
	}
	mux.HandleFunc("POST /signout", s.signedIn(s.signout))

	mux.HandleFunc("GET /{$}", s.signedIn(s.open))
	mux.HandleFunc("GET /history", s.signedIn(s.history))
	mux.HandleFunc("GET /tickets/{id}", s.signedIn(s.ticket))
	mux.HandleFunc("POST /tickets/{id}/vote/begin", s.signedIn(s.beginVote))
	mux.HandleFunc("POST /tickets/{id}/vote", s.signedIn(s.vote))
	mux.HandleFunc("GET /limits", s.signedIn(s.limits))
	mux.HandleFunc("GET /accounts", s.signedIn(s.accounts))
	mux.HandleFunc("GET /record", s.signedIn(s.auditHead))
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("/", s.nowhere)
	return s.guarded(mux)
}

// handler answers somebody who has signed in.
type handler func(w http.ResponseWriter, r *http.Request, of *session)

// signedIn lets through whoever has a session, and forms that it made.
func (s *Server) signedIn(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		of := s.sessions.find(s.cookies.get(r, s.cookies.session), true)
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case of != nil && !extapi.Known(r.Context()):
			// It has made room for another, and nobody waits for the answer.
		case of == nil && reading && comesFromElsewhere(r):
			// A browser keeps a strict cookie back when another site leads here: the page
			// asks for itself once more, from here.
			s.render(w, r, http.StatusOK, "onward", &page{Title: "One moment", Body: nextOf(r.URL.Path)})
		case of == nil && reading:
			http.Redirect(w, r, signinPath(r.URL.Path), http.StatusSeeOther)
		case of == nil:
			s.fail(w, r, nil, http.StatusUnauthorized, "Your session has ended. Nothing was changed: sign in, and do it again.")
		case reading:
			next(w, r, of)
		default:
			if err := readForm(r); err != nil {
				s.fail(w, r, of, http.StatusBadRequest, "The form could not be read. Nothing was changed.")
				return
			}
			if !of.holds(r.PostForm.Get("token")) {
				s.refused("console: form", "person", of.person, "remote", r.RemoteAddr)
				s.fail(w, r, of, http.StatusForbidden, "This form is not of your session. Nothing was changed: load the page again.")
				return
			}
			next(w, r, of)
		}
	}
}

// comesFromElsewhere reports whether another site led to a page.
func comesFromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// attempted bounds how often strangers ask, and reads their forms.
func (s *Server) attempted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.attempts.allowed(r) {
			s.refused("console: too many attempts", "remote", r.RemoteAddr)
			w.Header().Set("Retry-After", "10")
			s.failAny(w, r, http.StatusTooManyRequests, "Too many attempts to sign in: wait ten seconds.")
			return
		}
		if r.Method == http.MethodPost {
			if err := s.readStrangersForm(w, r); err != nil {
				s.failAny(w, r, http.StatusBadRequest, "The form could not be read.")
				return
			}
		}
		next(w, r)
	}
}

// readStrangersForm reads a form of somebody who has not signed in, who has less time for
// that than people who have.
func (s *Server) readStrangersForm(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(min(s.cfg.formTime, s.cfg.ReadTimeout))) // fails only on a closed connection
	if err := readForm(r); err != nil {
		return err
	}
	_ = control.SetReadDeadline(time.Now().Add(s.cfg.ReadTimeout)) // the server watches for a hang-up by reading on
	return nil
}

// readForm reads a form of the kind that the pages send.
func readForm(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return errors.New("it is no form")
	}
	return r.ParseForm()
}

// nextForm is where somebody can be led after signing in.
var nextForm = regexp.MustCompile(`^/(history|limits|accounts|record|passkeys|tickets/[a-z2-7]{1,32})?$`)

// nextOf returns where to go after signing in, which is never elsewhere.
func nextOf(path string) string {
	if nextForm.MatchString(path) {
		return path
	}
	return "/"
}

// signinPath returns the page to sign in for another one.
func signinPath(path string) string {
	if next := nextOf(path); next != "/" {
		return "/signin?" + url.Values{"next": {next}}.Encode()
	}
	return "/signin"
}

func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) {
	of := s.sessions.find(s.cookies.get(r, s.cookies.session), true)
	s.fail(w, r, of, http.StatusNotFound, "There is no such page.")
}
