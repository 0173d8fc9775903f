package emulator

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// call is one authenticated request to a vault.
type call struct {
	op        Op
	target    target
	name      string // the key's name, "" for lists
	version   string // "" is the current one
	query     url.Values
	body      []byte
	requestID string
}

// maxBody bounds the body of a request to a vault.
const maxBody = 64 << 10

// serve handles the HTTPS listener.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.requests.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.requests.leave()
	defer s.contain(w, r)
	t, ok := s.resolve(r.Host)
	switch {
	case !ok:
		http.Error(w, "no vault of this emulator has the host name "+bounded(r.Host), http.StatusNotFound)
	case t.foreign:
		s.counts[OpForeign].Add(1)
		s.write(w, r, http.StatusOK, map[string]any{"value": []any{}, "nextLink": nil}, nil)
	case t.vault != nil && (!t.entra || isVaultPath(r.URL.Path)):
		s.serveVault(w, r, t)
	case r.URL.Path == imdsPath || r.URL.Path == appServicePath:
		s.serveIdentity(w, r)
	default:
		s.serveEntra(w, r, t)
	}
}

// contain answers 500 to a request that panicked, and logs it. Aborted requests
// go on to net/http, which cuts them off.
func (s *Server) contain(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.log.ErrorContext(r.Context(), "handling a request panicked", "panic", p, "stack", string(debug.Stack()))
	http.Error(w, "the emulator failed on this request", http.StatusInternalServerError)
}

func isVaultPath(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == "keys" || first == "deletedkeys"
}

// serveVault answers a request to a vault: authentication, faults, latency, the
// operation itself.
func (s *Server) serveVault(w http.ResponseWriter, r *http.Request, t target) {
	started := time.Now()
	c := &call{target: t, requestID: randomUUID()}
	h := w.Header()
	commonHeaders(h, t.vault.flavor, c.requestID)
	fault, reply, err := s.answerVault(w, r, c)

	status, body := http.StatusOK, reply
	var f *failure
	switch {
	case errors.As(err, &f):
		status = f.status
		body = writeFailure(h, t.vault.flavor, f)
	case err != nil: // only the state file fails so
		s.log.ErrorContext(r.Context(), "keeping a change", "error", err)
		status = http.StatusInternalServerError
		body = (&failure{code: "InternalServerError", message: "The emulator could not keep the change."}).body()
	case reply == nil:
		status = http.StatusNoContent
		if t.vault.flavor == KeyVault {
			h.Del("Content-Type")
		}
	}
	if t.vault.flavor == ManagedHSM {
		h.Set("x-ms-server-latency", strconv.FormatInt(time.Since(started).Milliseconds(), 10))
	}
	s.log.LogAttrs(context.WithoutCancel(r.Context()), levelRequest, "vault request", append(logRequest(r, status), slog.String("request", c.requestID))...)
	s.write(w, r, status, body, fault)
}

// writeFailure sets the headers of an error answer and returns its body.
func writeFailure(h http.Header, flavor Flavor, f *failure) any {
	if f.challenge != "" {
		h.Set("WWW-Authenticate", f.challenge)
	}
	setRetryAfter(h, f.retryAfter)
	switch {
	case f.html != "":
		h.Set("Content-Type", "text/html")
		return f.html
	case f.emptyOnHSM && flavor == ManagedHSM:
		h.Del("x-ms-keyvault-region")
		return nil
	}
	return f.body()
}

// answerVault returns the reply, nil for 204, or a *failure, and the fault that
// spoils the answer.
func (s *Server) answerVault(w http.ResponseWriter, r *http.Request, c *call) (*Fault, any, error) {
	route := parsePath(r.Method, r.URL.Path)
	c.op, c.name, c.version = route.op, route.name, route.version
	if denied, err := s.authenticate(r, c.target); err != nil {
		s.counts[denied].Add(1)
		fault := s.faults.take(denied, c.name)
		s.beforeAnswer(r, fault)
		if f := fault.vaultFailure(s, c); f != nil {
			return fault, nil, f
		}
		return fault, nil, err
	}
	s.counts[c.op].Add(1)
	if err := s.limited(c); err != nil {
		return nil, nil, err
	}
	fault := s.faults.take(c.op, c.name)
	s.beforeAnswer(r, fault)
	if !s.pause(r.Context(), time.Duration(s.latency.Load())) {
		panic(http.ErrAbortHandler)
	}
	if f := fault.vaultFailure(s, c); f != nil {
		return fault, nil, f
	}
	if err := s.read(w, r, c, route); err != nil {
		return fault, nil, err
	}
	reply, err := s.perform(c, fault)
	return fault, reply, err
}

// read checks the parts of a request that all operations share.
func (s *Server) read(w http.ResponseWriter, r *http.Request, c *call, route route) error {
	if route.err != nil {
		return route.err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badParameter("The query of the request is malformed.")
	}
	c.query = query
	if version := query.Get("api-version"); !knownAPIVersion(version) {
		return badParameter("The specified api-version '%s' is missing or not supported.", bounded(version))
	}
	c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &failure{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge", message: "The request body is too large."}
	case err != nil:
		return badParameter("The request body could not be read.")
	}
	return nil
}

func knownAPIVersion(version string) bool {
	switch version {
	case "2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-01-01-preview":
		return true
	}
	return false
}

// perform carries the operation out.
func (s *Server) perform(c *call, fault *Fault) (any, error) {
	switch c.op {
	case OpCreate:
		return s.create(c)
	case OpImport:
		return s.importKey(c)
	case OpGet:
		return s.get(c, fault)
	case OpList:
		return s.list(c, fault)
	case OpVersions:
		return s.versions(c, fault)
	case OpUpdate:
		return s.update(c)
	case OpDelete:
		return s.delete(c)
	case OpRotate:
		return s.rotate(c)
	case OpRotationPolicy:
		return s.rotationPolicy(c)
	case OpSetRotationPolicy:
		return s.setRotationPolicy(c)
	case OpSign:
		return s.sign(c, fault)
	case OpVerify:
		return s.verify(c, fault)
	case OpDeletedList:
		return s.deletedList(c, fault)
	case OpDeletedGet:
		return s.deletedGet(c)
	case OpRecover:
		return s.recover(c)
	case OpPurge:
		return nil, s.purge(c)
	}
	return nil, &failure{status: http.StatusNotImplemented, code: "NotImplemented", message: "The emulator does not have this operation."}
}
