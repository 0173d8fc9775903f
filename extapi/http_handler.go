package extapi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// httpHandler checks who asks, and a request's host and origin, before the rpc
// server sees it.
type httpHandler struct {
	rpc     *rpc.Server
	callers Callers
	guard   Guard
	large   *largePlaces
	cfg     ServerConfig
	refused *refusals
}

func newHTTPHandler(cfg ServerConfig, server *rpc.Server, callers Callers, refused *refusals) *httpHandler {
	return &httpHandler{
		rpc: server, callers: callers, guard: NewGuard(cfg.VirtualHosts, cfg.AllowedOrigins),
		large: newLargePlaces(smallBody, callers.Named()), cfg: cfg, refused: refused,
	}
}

// ServeHTTP answers as Clef does. Only a POST can carry a call; the rpc server
// answers the rest with an empty body or an HTTP error.
func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, r = Early(w, r)
	h.serve(w, Numbered(w, r))
}

func (h *httpHandler) serve(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	known, principal, err := h.identified(r)
	if err != nil {
		LogDenied(h.refused.add, r, err)
		Deny(w, r, err)
		return
	}
	r = known
	if !h.guard.HostAllowed(r.Host) {
		h.refused.add(refusedHost, slog.String("host", clip(r.Host)), slog.String("remote", r.RemoteAddr), RequestAttr(ctx))
		http.Error(w, "invalid host specified", http.StatusForbidden)
		return
	}
	if origin, ok := h.guard.OriginAllowed(r.Header); !ok {
		h.refused.add(refusedOrigin, slog.String("origin", clip(origin)), slog.String("remote", r.RemoteAddr), RequestAttr(ctx))
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	control := http.NewResponseController(w)
	h.answerInTime(control)
	if r.Method == http.MethodPost {
		var waits *answering
		r, waits = answered(r)
		body := &screenedBody{
			body: r.Body, cfg: h.cfg, large: h.large, principal: principal, hangup: r.Context().Done(), refused: h.refused,
			answers: waits,
			readUntil: func(deadline time.Time) {
				_ = control.SetReadDeadline(deadline) // fails only on a closed connection
				h.answerInTime(control)
			},
		}
		defer body.leave()
		free := int64(FreeAnswers) // a connection has one request at a time
		share := h.cfg.Answers.Share(principal, &free)
		defer share.Leave()
		r.Body = body
		r = r.WithContext(share.Into(r.Context())) //nolint:contextcheck // it is the request's
	} else {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	answer := &namedWriter{ResponseWriter: w, naming: namingOfHTTP(ctx, h.refused.log, r.RemoteAddr)}
	h.rpc.ServeHTTP(answer, r)
	if r.Method == http.MethodPost && uncalled(ctx) && !answer.named {
		h.refused.log.Debug("Answered without a call that is on record: of a method that needs no decision, or not by JSON-RPC", slog.String("remote", r.RemoteAddr), RequestAttr(ctx))
	}
}

// answerInTime bounds reading and answering, from now on.
func (h *httpHandler) answerInTime(control *http.ResponseController) {
	_ = control.SetWriteDeadline(time.Now().Add(h.cfg.ReadTimeout + h.cfg.RequestTimeout + h.cfg.WriteTimeout)) // fails only on a closed connection
}

// identified returns the request with who asks, where callers can prove it, and the principal.
func (h *httpHandler) identified(r *http.Request) (*http.Request, string, error) {
	if h.callers.TLS == nil && h.callers.Tokens == nil {
		return r, Anonymous, nil
	}
	who, err := h.callers.Identify(r)
	if err != nil {
		return nil, "", err
	}
	caller := rules.Caller{
		Transport: httpTransport,
		Remote:    r.RemoteAddr,
		Local:     r.Host,
		UserAgent: r.Header.Get("User-Agent"),
		Origin:    r.Header.Get("Origin"),
	}
	return r.WithContext(WithTraceParent(WithCaller(r.Context(), caller, who.Principal), r.Header)), who.Principal, nil
}
