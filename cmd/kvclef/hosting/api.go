package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// apiTimeout bounds the work on a request, and is below what a client of the admin
// socket waits for an answer.
const apiTimeout = 28 * time.Second

// pathScope is where the routes begin.
const pathScope = admin.PathHosted + "/consortia/{consortium}/environments/{environment}"

// call is a request to the API.
type call struct {
	scope    Scope
	id       string // "": none
	force    bool
	document []byte // of POST
}

// verbs are what a path answers, by method. A nil answer has no body.
type verbs map[string]func(context.Context, call) (answer any, err error)

// API returns the routes, which are for the operator alone:
//
//	POST, GET    /api/v1/consortia/{consortium}/environments/{environment}/configurations
//	GET, DELETE  …/configurations/{id}
//	POST, GET    …/services
//	GET, DELETE  …/services/{id}        DELETE takes ?force=true
//	GET          …/services/{id}/status
//
// Documents are JSON. An error is {"error": "…"} with a status from 400.
func (r *Registry) API() http.Handler {
	mux := http.NewServeMux()
	for path, v := range map[string]verbs{
		"/configurations": {
			http.MethodPost: func(ctx context.Context, c call) (any, error) { return r.CreateConfiguration(ctx, c.scope, c.document) },
			http.MethodGet:  func(ctx context.Context, c call) (any, error) { return r.Configurations(ctx, c.scope) },
		},
		"/configurations/{id}": {
			http.MethodGet:    func(ctx context.Context, c call) (any, error) { return r.Configuration(ctx, c.scope, c.id) },
			http.MethodDelete: func(ctx context.Context, c call) (any, error) { return nil, r.DeleteConfiguration(ctx, c.scope, c.id) },
		},
		"/services": {
			http.MethodPost: func(ctx context.Context, c call) (any, error) { return r.CreateService(ctx, c.scope, c.document) },
			http.MethodGet:  func(ctx context.Context, c call) (any, error) { return r.Services(ctx, c.scope) },
		},
		"/services/{id}": {
			http.MethodGet: func(ctx context.Context, c call) (any, error) { return r.Service(ctx, c.scope, c.id) },
			http.MethodDelete: func(ctx context.Context, c call) (any, error) {
				return nil, r.DeleteService(ctx, c.scope, c.id, c.force)
			},
		},
		"/services/{id}/status": {
			http.MethodGet: func(ctx context.Context, c call) (any, error) { return r.Status(ctx, c.scope, c.id) },
		},
	} {
		mux.HandleFunc(pathScope+path, func(w http.ResponseWriter, request *http.Request) { r.answer(w, request, v) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		r.fail(w, request, refuse(ErrNotFound, "there is no such path: want %s/configurations or /services", pathScope))
	})
	return mux
}

// answer does what a request asks for. A caller that hangs up does not stop it.
func (r *Registry) answer(w http.ResponseWriter, request *http.Request, v verbs) {
	w.Header().Set("Cache-Control", "no-store")
	do, ok := v[request.Method]
	if !ok {
		w.Header().Set("Allow", strings.Join(v.methods(), ", "))
		r.failWith(w, request, http.StatusMethodNotAllowed, fmt.Errorf("%.20q: want %s", request.Method, strings.Join(v.methods(), " or ")))
		return
	}
	c, err := readCall(w, request)
	if err != nil {
		r.fail(w, request, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request.Context()), apiTimeout)
	defer cancel()
	answer, err := do(ctx, c)
	if err != nil {
		r.fail(w, request, err)
		return
	}
	r.send(w, request, answer)
}

// send answers with a document, or without a body.
func (r *Registry) send(w http.ResponseWriter, request *http.Request, answer any) {
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if request.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		r.log.DebugContext(request.Context(), "Answer not sent", "error", err)
	}
}

// methods returns the methods in the order of the alphabet.
func (v verbs) methods() []string {
	var methods []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost} {
		if _, ok := v[method]; ok {
			methods = append(methods, method)
		}
	}
	return methods
}

// readCall reads a request, and its body if it has to have one.
func readCall(w http.ResponseWriter, request *http.Request) (c call, err error) {
	c.scope = Scope{request.PathValue("consortium"), request.PathValue("environment")}
	c.id = request.PathValue("id")
	if err := c.scope.check(); err != nil {
		return call{}, refuse(ErrInvalid, "%w", err)
	}
	if text := request.URL.Query().Get("force"); text != "" {
		if c.force, err = strconv.ParseBool(text); err != nil {
			return call{}, refuse(ErrInvalid, "force=%.20q: want true or false", text)
		}
	}
	if request.Method != http.MethodPost {
		return c, nil
	}
	c.document, err = io.ReadAll(http.MaxBytesReader(w, request.Body, config.MaxHosted))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return call{}, refuse(ErrTooLarge, "the document has more than %d bytes", config.MaxHosted)
	case err != nil:
		return call{}, refuse(ErrInvalid, "reading the document: %w", err)
	}
	return c, nil
}

// fail answers with an error and what stands for it.
func (r *Registry) fail(w http.ResponseWriter, request *http.Request, err error) {
	r.failWith(w, request, statusOf(err), err)
}

func (r *Registry) failWith(w http.ResponseWriter, request *http.Request, status int, err error) {
	r.log.WarnContext(request.Context(), "Request about hosted services refused", "method", request.Method, "path", request.URL.Path, "error", err)
	if err := admin.Refuse(w, status, err); err != nil {
		r.log.DebugContext(request.Context(), "Refusal not sent", "error", err)
	}
}
