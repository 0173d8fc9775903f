package admin

import (
	"errors"
	"net/http"
	"strings"
	"sync"
)

// maxMounted bounds the body of a request that is handed on, in bytes.
const maxMounted = 64 << 10

// mounts are handlers by the paths that they answer for.
type mounts struct {
	mu sync.RWMutex
	at map[string]http.Handler
}

// put says what answers for a path and what is below it.
func (m *mounts) put(prefix string, handler http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = make(map[string]http.Handler)
	}
	m.at[strings.TrimSuffix(prefix, "/")] = handler
}

// find returns what answers for the longest path that holds this one, nil if
// nothing does.
func (m *mounts) find(path string) http.Handler {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found http.Handler
	longest := -1
	for prefix, handler := range m.at {
		if len(prefix) > longest && below(path, prefix) {
			found, longest = handler, len(prefix)
		}
	}
	return found
}

// below reports whether a path is a prefix or below it. "/v1x" is not below "/v1".
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// mounted hands a request on.
func (h *handler) mounted(w http.ResponseWriter, r *http.Request) {
	if handler := h.mounts.find(r.URL.Path); handler != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxMounted)
		handler.ServeHTTP(w, r)
		return
	}
	switch {
	case below(r.URL.Path, PathTransactions):
		h.refuse(w, r, http.StatusConflict, errors.New("it stands in front of no node, and has no transactions under way"))
	case below(r.URL.Path, PathPasskeys):
		h.refuse(w, r, http.StatusConflict, errors.New("it has no console on which people would use passkeys (approvals.console), or has not started yet"))
	case below(r.URL.Path, PathHosted):
		h.refuse(w, r, http.StatusConflict, errors.New("it hosts no services, or has not started yet"))
	default:
		http.NotFound(w, r)
	}
}
