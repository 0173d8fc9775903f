package hosting

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
)

// PathServices is where services are reached on the public listener: each at its
// id, and below.
const PathServices = "/services/"

// ServeHTTP hands a request on to the service that its path names, with the rest
// of the path. A service that does not run is 503, and everything else 404. Why a
// service does not run in detail is told on the admin socket alone: it may name
// endpoints and files.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	below, ok := strings.CutPrefix(request.URL.Path, PathServices)
	id, _, _ := strings.Cut(below, "/")
	one := r.instance(id)
	if !ok || one == nil {
		r.refuse(w, request, http.StatusNotFound, errors.New("there is no such service"))
		return
	}
	inner, ok := withoutPrefix(request, PathServices+id)
	if !ok {
		r.refuse(w, request, http.StatusNotFound, errors.New("the path of a service is written without escapes"))
		return
	}
	handler, left, why := one.enter(request)
	if handler == nil {
		w.Header().Set("Retry-After", "5")
		r.refuse(w, request, http.StatusServiceUnavailable, errors.New(why))
		return
	}
	defer left()
	// The writer is the listener's own, so that a connection can become a WebSocket.
	handler.ServeHTTP(w, inner)
}

// withoutPrefix returns a request with the rest of its path.
func withoutPrefix(request *http.Request, prefix string) (*http.Request, bool) {
	raw, ok := strings.CutPrefix(request.URL.RawPath, prefix)
	if request.URL.RawPath != "" && !ok {
		return nil, false
	}
	inner := new(http.Request)
	*inner = *request
	inner.URL = new(url.URL)
	*inner.URL = *request.URL
	inner.URL.Path, inner.URL.RawPath = strings.TrimPrefix(request.URL.Path, prefix), raw
	if inner.URL.Path == "" {
		inner.URL.Path = "/"
	}
	return inner, true
}

// refuse answers a request of the public listener, which anybody may send: it is
// not worth a line of the log.
func (r *Registry) refuse(w http.ResponseWriter, request *http.Request, status int, err error) {
	if err := admin.Refuse(w, status, err); err != nil {
		r.log.DebugContext(request.Context(), "Refusal not sent", "error", err)
	}
}
