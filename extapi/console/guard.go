package console

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvclef/kvclef/extapi"
)

// policy is what a page may load and do: its own style, script and answers.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guarded lets through what a browser sends for the console's own pages, to the
// host that they are at, and gives every answer the headers that keep it there.
func (s *Server) guarded(next http.Handler) http.Handler {
	forgery := http.NewCrossOriginProtection()
	forgery.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.deny(w, r, "cross-origin", http.StatusForbidden, "this was sent by another site: nothing was changed")
	}))
	own := forgery.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		extapi.Stranger(r.Context()) // until a session is found
		w, r = extapi.Early(w, r)
		s.secure(w.Header())
		switch {
		case !sameHost(r.Host, s.origin):
			s.deny(w, r, "host", http.StatusMisdirectedRequest, "this console is at "+s.cfg.Origin)
		case r.Header.Get("Origin") != "" && r.Header.Get("Origin") != s.cfg.Origin:
			s.deny(w, r, "origin", http.StatusForbidden, "this was sent by another site: nothing was changed")
		case embedded(r):
			s.deny(w, r, "embedded", http.StatusForbidden, "pages of the console are not for other sites to load")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			own.ServeHTTP(w, r)
		}
	})
}

// secure sets the headers of every answer.
func (s *Server) secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would hide the origin of forms
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if s.origin.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// deny refuses a request of which nothing was looked at.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, kind string, status int, text string) {
	s.refused("console: "+kind, slog.String("host", clip(r.Host)), slog.String("origin", clip(r.Header.Get("Origin"))), slog.String("remote", r.RemoteAddr))
	http.Error(w, text, status)
}

// sameHost reports whether a Host header is that of the origin.
func sameHost(host string, origin *url.URL) bool {
	standard := ":443"
	if origin.Scheme == "http" {
		standard = ":80"
	}
	return strings.EqualFold(strings.TrimSuffix(host, standard), strings.TrimSuffix(origin.Host, standard))
}

// embedded reports whether another site loads something other than a page that the
// person goes to.
func embedded(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "" || site == "same-origin" || site == "none" {
		return false
	}
	dest := r.Header.Get("Sec-Fetch-Dest")
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || dest != "" && dest != "document"
}

// remoteHost returns the address of a caller, for the log.
func remoteHost(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// clip shortens what a caller says, for the log.
func clip(text string) string {
	const most = 128
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
