package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// Bodies above smallBody bytes are read a few at a time, so that memory doesn't
// grow with the number of callers. Of the places for them one caller has a part.
const (
	smallBody      = 64 << 10
	maxLargeBodies = 64
)

var errTooLarge = errors.New("body is too large")

// ServeHTTP answers one request: a call or batch by POST, or a WebSocket until it
// ends. It sets deadlines on the connection, as the limits of [Config] have it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, r = extapi.Early(w, r)
	p.serve(w, extapi.Numbered(w, r))
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	who, err := p.identify(r)
	if err != nil {
		extapi.LogDenied(p.refused, r, err)
		extapi.Deny(w, r, err)
		return
	}
	if !p.guard.HostAllowed(r.Host) {
		p.refused("host: not in vhosts", slog.String("host", clip(r.Host)), slog.String("remote", r.RemoteAddr), extapi.RequestAttr(r.Context()))
		http.Error(w, "invalid host specified", http.StatusForbidden)
		return
	}
	if origin, ok := p.guard.OriginAllowed(r.Header); !ok {
		p.refused("origin: not in the allowed origins", slog.String("origin", clip(origin)), slog.String("remote", r.RemoteAddr), extapi.RequestAttr(r.Context()))
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	if preflight(r) {
		allowOrigin(w.Header(), r.Header)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if p.cfg.Pages != nil {
		if page := p.cfg.Pages(r); page != nil {
			page.ServeHTTP(w, r.WithContext(callerContext(r.Context(), r, "http", who.Principal)))
			return
		}
	}
	trail, ok := p.follow(r)
	if !ok {
		http.Error(w, "loop detected: the node's address leads back to this proxy", http.StatusLoopDetected)
		return
	}
	if websocket.IsWebSocketUpgrade(r) {
		p.serveWebSocket(w, r, who, trail)
		return
	}
	allowOrigin(w.Header(), r.Header)
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, OPTIONS")
		http.Error(w, "method not allowed: send JSON-RPC by POST, or open a WebSocket", http.StatusMethodNotAllowed)
	case !jsonRequest(r.Header):
		http.Error(w, "invalid content type, only application/json in UTF-8 without an encoding is supported", http.StatusUnsupportedMediaType)
	default:
		p.servePost(w, r, who.Principal, trail)
	}
}

// identify returns who asks. The question of a browser whether a page may call has no
// token: it is answered, and nothing else is.
func (p *Proxy) identify(r *http.Request) (extapi.Identity, error) {
	callers := p.cfg.Callers
	if preflight(r) {
		callers.Tokens = nil
	}
	return callers.Identify(r)
}

// preflight reports whether a browser asks if a page may call.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowOrigin lets the page that calls read the answer: its origin was found to
// be allowed. The headers are those that a page may send.
func allowOrigin(answer, request http.Header) {
	origin := request.Get("Origin")
	if origin == "" {
		return
	}
	answer.Set("Access-Control-Allow-Origin", origin)
	answer.Add("Vary", "Origin")
	answer.Set("Access-Control-Expose-Headers", extapi.RequestHeader)
	if request.Get("Access-Control-Request-Method") == "" {
		return
	}
	answer.Set("Access-Control-Allow-Methods", http.MethodPost)
	answer.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key")
	answer.Set("Access-Control-Max-Age", "600")
	if request.Get("Access-Control-Request-Private-Network") == "true" {
		answer.Set("Access-Control-Allow-Private-Network", "true")
	}
}

// jsonRequest reports whether a body is said to be JSON as it is: a page that
// was not allowed can't send that, and a node that was told of another encoding
// might read another body than the one that is judged here.
func jsonRequest(header http.Header) bool {
	for _, encoding := range header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	content := header["Content-Type"]
	if len(content) != 1 {
		return false
	}
	if content[0] == "application/json" {
		return true
	}
	kind, parameters, err := mime.ParseMediaType(content[0])
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") && !strings.EqualFold(value, "utf8") {
			return false
		}
	}
	return err == nil && (kind == "application/json" || kind == "application/json-rpc" || kind == "application/jsonrequest")
}

// servePost answers one call or batch.
func (p *Proxy) servePost(w http.ResponseWriter, r *http.Request, principal, trail string) {
	control := http.NewResponseController(w)
	body, leave, err := p.readBody(control, r, principal)
	defer leave()
	switch {
	case errors.Is(err, errTooLarge):
		w.Header().Set("Connection", "close")
		http.Error(w, "content length too large", http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		http.Error(w, "read timeout", http.StatusRequestTimeout)
		return
	case err != nil:
		return // the caller hung up
	}
	calls, batch, refusal := readMessages(body, p.cfg.MaxBatch)
	if refusal != nil {
		p.refusedBody()
		p.write(control, w, refuseBody(calls, batch, p.refusal(r.Context(), refusal)))
		return
	}
	ctx := callerContext(withTrail(r.Context(), trail), r, "http", principal)
	if web, ok := p.node.(*httpNode); ok && p.passes(calls) {
		p.stream(ctx, control, w, r, web, body, calls, batch)
		return
	}
	room := p.held.share(p.cfg.MaxAnswer)
	defer room.close()
	free := int64(extapi.FreeAnswers) // a connection has one request at a time
	listings := p.cfg.Answers.Share(principal, &free)
	defer listings.Leave()
	ctx = listings.Into(ctx)
	key, err := readIdempotencyKey(r.Header)
	if err != nil {
		p.write(control, w, p.withoutKey(ctx, room, calls, batch))
		return
	}
	ctx = WithIdempotencyKey(ctx, key)
	p.write(control, w, p.mixed(ctx, room, calls, batch))
}

// refuseBody is the answer to a body of which nothing runs.
func refuseBody(calls []message, batch bool, err *wireError) []byte {
	var id []byte
	if len(calls) > 0 {
		id = calls[0].id
	}
	answer := errorAnswer(id, err)
	if batch && len(calls) > 0 {
		return joinAnswers([][]byte{answer}, true)
	}
	return answer
}

// callerContext returns the context of a method with what is known of the
// caller.
func callerContext(ctx context.Context, r *http.Request, transport, principal string) context.Context {
	ctx = extapi.WithCaller(ctx, rules.Caller{
		Transport: transport,
		Remote:    r.RemoteAddr,
		Local:     r.Host,
		UserAgent: r.UserAgent(),
		Origin:    r.Header.Get("Origin"),
	}, principal)
	return extapi.WithTraceParent(ctx, r.Header)
}

// readBody reads the body whole and bounded. What is above smallBody waits for a place, which
// leave gives back when the request has been answered: not before so much has come, so that
// nobody has a place for a body that is promised, or has no length.
func (p *Proxy) readBody(control *http.ResponseController, r *http.Request, principal string) (body []byte, leave func(), err error) {
	leave = func() {}
	if r.ContentLength > p.cfg.MaxBody {
		return nil, leave, errTooLarge
	}
	// The deadline must not outlast the body: the server watches for a hang-up by
	// reading on.
	_ = control.SetReadDeadline(time.Now().Add(p.cfg.ReadTimeout)) // fails only on a closed connection
	if r.ContentLength >= 0 && r.ContentLength <= smallBody {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, leave, err = p.readLarge(control, r, principal)
	}
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
	}
	return body, leave, err
}

// readLarge reads a body that is large, or may be. The time of waiting for a place is not the
// caller's.
func (p *Proxy) readLarge(control *http.ResponseController, r *http.Request, principal string) (body []byte, leave func(), err error) {
	leave = func() {}
	body, err = io.ReadAll(io.LimitReader(r.Body, min(smallBody, p.cfg.MaxBody)+1))
	switch {
	case err != nil || int64(len(body)) <= min(smallBody, p.cfg.MaxBody):
		return body, leave, err
	case int64(len(body)) > p.cfg.MaxBody:
		return nil, leave, errTooLarge
	}
	if err := p.large.Enter(r.Context(), principal, p.cfg.ReadTimeout); err != nil {
		return nil, leave, err
	}
	leave = func() { p.large.Leave(principal) }
	_ = control.SetReadDeadline(time.Now().Add(p.cfg.ReadTimeout))
	if r.ContentLength >= 0 {
		whole := make([]byte, r.ContentLength)
		n := copy(whole, body)
		_, err = io.ReadFull(r.Body, whole[n:])
		return whole, leave, err
	}
	rest, err := io.ReadAll(io.LimitReader(r.Body, p.cfg.MaxBody+1-int64(len(body))))
	if body = append(body, rest...); int64(len(body)) > p.cfg.MaxBody {
		return nil, leave, errTooLarge
	}
	return body, leave, err
}

// write sends an answer; nil is none, to notifications.
func (p *Proxy) write(control *http.ResponseController, w http.ResponseWriter, answer []byte) {
	header := w.Header()
	if answer != nil {
		header["Content-Type"] = []string{"application/json"}
	}
	header["Content-Length"] = []string{strconv.Itoa(len(answer))}
	_ = control.SetWriteDeadline(time.Now().Add(p.cfg.WriteTimeout)) // fails only on a closed connection
	_, _ = w.Write(answer)                                           // an error is the caller's hanging up
}

// withoutKey answers calls whose idempotency key can't be taken: those that the
// proxy answers are refused, since a retry would not be known as such.
func (p *Proxy) withoutKey(ctx context.Context, room *share, calls []message, batch bool) []byte {
	if p.handled(calls) > 0 {
		p.tally(calls).all(OutcomeRefused)
		return failCalls(calls, batch, p.refusal(ctx, &wireError{code: codeInvalid, text: errIdempotencyKey.Error()}))
	}
	return p.mixed(ctx, room, calls, batch)
}
