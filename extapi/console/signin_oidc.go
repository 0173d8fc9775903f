package console

import (
	"net/http"

	"golang.org/x/oauth2"
)

// beginOIDC leads somebody to the issuer.
func (s *Server) beginOIDC(w http.ResponseWriter, r *http.Request) {
	next := nextOf(r.URL.Query().Get("next"))
	if comesFromElsewhere(r) { // nobody is led to the issuer without having asked
		http.Redirect(w, r, signinPath(next), http.StatusSeeOther)
		return
	}
	f := flow{State: secret(), Nonce: secret(), Verifier: oauth2.GenerateVerifier(), Next: next}
	to, err := s.issuer.begin(r.Context(), f)
	if err != nil {
		s.log.WarnContext(r.Context(), "Issuer does not answer", "error", err)
		s.signinPage(w, r, http.StatusServiceUnavailable, next, "The issuer does not answer: try it again in a minute.")
		return
	}
	// Lax: the issuer leads back here.
	s.cookies.set(w, s.cookies.flow, f.String(), http.SameSiteLaxMode, flowAge)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// finishOIDC begins a session for whom the issuer knows.
func (s *Server) finishOIDC(w http.ResponseWriter, r *http.Request) {
	f, ok := flowOf(s.cookies.get(r, s.cookies.flow))
	if !ok {
		s.signinPage(w, r, http.StatusBadRequest, "/", "The sign-in took too long, or was begun in another browser: try it again.")
		return
	}
	s.cookies.drop(w, s.cookies.flow, http.SameSiteLaxMode)
	person, err := s.issuer.finish(r.Context(), f, r.URL.Query())
	if err != nil {
		// The cause may hold what the issuer says of somebody: it is for the log.
		s.log.WarnContext(r.Context(), "Sign-in refused", "way", wayOIDC, "remote", remoteHost(r), "error", err)
		s.signinPage(w, r, http.StatusForbidden, f.Next, "You are not signed in: the issuer's answer was not accepted, or names nobody who may approve here. The signer's log says why.")
		return
	}
	if s.begin(w, r, person, wayOIDC) {
		// Not a redirect: the session's cookie is not sent on what another site began.
		s.render(w, r, http.StatusOK, "onward", &page{Title: "One moment", Body: f.Next})
	}
}
