package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// The paths of the API. Errors have a status from 400 and the body
// {"error": "…"}.
const (
	pathBackup      = "/v1/backup"      // GET: the store as it is, a file
	pathAttestation = "/v1/attestation" // PUT: a rules.Attestation, for the next start or reload
	pathPolicy      = "/v1/policy"      // POST: the policy is read again; {"told": "…"}

	// PathTransactions and what is below it is about the transactions under way.
	// It is answered by what [Server.Mount] puts there.
	PathTransactions = "/v1/transactions"

	// PathPasskeys is about the passkeys of those who approve. It is answered by what
	// [Server.Mount] puts there.
	PathPasskeys = "/v1/passkeys"

	// PathDiag is what a bug report needs. It is answered by what [Server.Mount] puts
	// there.
	PathDiag = "/v1/diag"

	// PathHosted and what is below it is the API of a hosted CloudHSM service, as
	// its clients know it. It is answered by what [Server.Mount] puts there.
	PathHosted = "/api/v1"
)

// failure is the body of an answer that is none.
type failure struct {
	Error string `json:"error"`
}

// answer is the body of an answer for people.
type answer struct {
	Told string `json:"told"`
}

type handler struct {
	store  Store
	log    *slog.Logger
	reload atomic.Pointer[func(context.Context) (string, error)]
	mounts mounts
	backup chan struct{} // one at a time: a copy that is being read keeps old pages
}

func newHandler(store Store, log *slog.Logger) *handler {
	return &handler{store: store, log: log, backup: make(chan struct{}, 1)}
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathBackup, h.getBackup)
	mux.HandleFunc("PUT "+pathAttestation, h.putAttestation)
	mux.HandleFunc("POST "+pathPolicy, h.postPolicy)
	mux.HandleFunc("/", h.mounted)
	return h.readFirst(mux)
}

// readFirst reads a request before it is handled, as long as any may be: a caller who
// is still writing when the answer comes finds a broken pipe in its place. What is
// longer follows when a handler reads on.
func (h *handler) readFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, err := io.ReadAll(io.LimitReader(r.Body, maxMounted+1))
		if err != nil {
			h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("reading the request: %w", err))
			return
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(read), r.Body), r.Body}
		next.ServeHTTP(w, r)
	})
}

// getBackup streams a copy. An answer that ends early, without the mark of its
// end, is no backup.
func (h *handler) getBackup(w http.ResponseWriter, r *http.Request) {
	select {
	case h.backup <- struct{}{}:
		defer func() { <-h.backup }()
	default:
		h.refuse(w, r, http.StatusConflict, errors.New("another backup is being made: try again when it is done"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	to := &patientWriter{w: w, control: http.NewResponseController(w)}
	size, err := h.store.Backup(to)
	switch {
	case err != nil && !to.begun:
		h.refuse(w, r, http.StatusInternalServerError, err)
	case err != nil:
		h.log.WarnContext(r.Context(), "Backup not finished", "error", err)
		panic(http.ErrAbortHandler) // cuts the connection, so that the caller knows
	default:
		h.log.DebugContext(r.Context(), "State copied", "bytes", size)
	}
}

// patientWriter gives each write time of its own: a copy may take long, and a
// caller that stands still may not hold it.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
	begun   bool
}

// Write writes within the time of a step.
func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(stepTimeout)); err != nil {
		return 0, err
	}
	p.begun = true
	return p.w.Write(b)
}

// putAttestation keeps an attestation that is sound in itself. Whether it is the
// one that the signer wants is judged when the signer starts.
func (h *handler) putAttestation(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("reading the attestation: %w", err))
		return
	}
	attestation, err := parseAttestation(body)
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, err)
		return
	}
	// A caller that hangs up does not stop what it asked for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTimeout)
	defer cancel()
	if err := h.store.Attest(ctx, attestation); err != nil {
		h.refuse(w, r, http.StatusInternalServerError, fmt.Errorf("keeping the attestation: %w", err))
		return
	}
	h.log.WarnContext(ctx, "Rules attested, for the next start or reload", "kind", attestation.Kind.String(), "sha256", attestation.SHA256, "file", attestation.File, "key", attestation.Key)
	w.WriteHeader(http.StatusNoContent)
}

// postPolicy has the policy read again.
func (h *handler) postPolicy(w http.ResponseWriter, r *http.Request) {
	reload := h.reload.Load()
	if reload == nil {
		h.refuse(w, r, http.StatusConflict, errors.New("it has no policy, or has not started yet"))
		return
	}
	// A caller that hangs up does not stop what it asked for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTimeout)
	defer cancel()
	told, err := (*reload)(ctx)
	if err != nil {
		h.refuse(w, r, http.StatusConflict, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer{told}); err != nil {
		h.log.DebugContext(ctx, "Answer not sent", "error", err)
	}
}

// parseAttestation is strict: a member that is not known, or more than one
// value, is an error.
func parseAttestation(body []byte) (rules.Attestation, error) {
	var a rules.Attestation
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return a, fmt.Errorf("decoding the attestation: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return a, errors.New("decoding the attestation: more follows it")
	}
	switch {
	case a.SHA256 == common.Hash{}:
		return a, errors.New("the attestation has no sha256")
	case !slices.Contains(rules.FileKinds(), a.Kind):
		return a, fmt.Errorf("the attestation is of a file of an unknown kind, %q", string(a.Kind))
	case a.Time.IsZero():
		return a, errors.New("the attestation has no time")
	case a.Key == nil && len(a.Signature) > 0:
		return a, errors.New("the attestation has a signature and no key")
	case a.Key == nil:
		return a, nil
	}
	return a, a.Verify(*a.Key)
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	h.log.WarnContext(r.Context(), "Request to the admin socket refused", "path", r.URL.Path, "error", err)
	if err := Refuse(w, status, err); err != nil {
		h.log.DebugContext(r.Context(), "Refusal not sent", "error", err)
	}
}

// Refuse answers with an error in the form of the API.
func Refuse(w http.ResponseWriter, status int, err error) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(failure{err.Error()})
}
