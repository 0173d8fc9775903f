package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

// httpNode is a node that takes calls by POST.
type httpNode struct {
	target    target
	transport transport
	patience  time.Duration
	callers   *extapi.LargePlaces // of the connections; nil where callers are not told apart
	failed    func(context.Context, error)
}

// transport carries POSTs to a node.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

func newHTTPNode(t target, cfg Config, failed func(context.Context, error)) *httpNode {
	dialer := &net.Dialer{Timeout: cfg.DialTimeout, KeepAlive: 30 * time.Second}
	n := &httpNode{target: t, patience: cfg.NodeTimeout, failed: failed}
	if cfg.Callers.Named() {
		n.callers = extapi.NewLargePlaces(cfg.MaxNodeCalls, true)
	}
	if through, err := http.ProxyFromEnvironment(&http.Request{URL: t.url}); directWorks && t.url.Scheme == "http" && through == nil && err == nil {
		n.transport = newDirect(hostPort(t.url), dialer, cfg.MaxNodeCalls)
		return n
	}
	n.transport = &http.Transport{
		Proxy:                  throughProxy(http.ProxyFromEnvironment),
		DialContext:            dialer.DialContext,
		TLSClientConfig:        cfg.NodeTLS.Clone(),
		TLSHandshakeTimeout:    cfg.DialTimeout,
		MaxIdleConns:           cfg.MaxNodeCalls,
		MaxIdleConnsPerHost:    cfg.MaxNodeCalls,
		MaxConnsPerHost:        cfg.MaxNodeCalls,
		IdleConnTimeout:        maxIdle,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // what the caller accepts is passed on
	}
	return n
}

// hostPort returns where a URL of http is dialled.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (n *httpNode) close() { n.transport.CloseIdleConnections() }

// exchange is one POST and its answer, under a watch: when the node sends
// nothing for its patience, the exchange ends.
type exchange struct {
	ctx      context.Context //nolint:containedctx // an exchange is as long as one call
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	patience time.Duration
	answer   *http.Response // nil if there is none
	leave    func()         // the caller's share
}

// post sends a body. Header may have Accept-Encoding and Content-Type of the
// caller. The exchange must be ended also after an error.
func (n *httpNode) post(ctx context.Context, body []byte, header http.Header) (*exchange, *wireError) {
	x := &exchange{patience: n.patience, leave: func() {}}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.timer = time.AfterFunc(n.patience, func() { x.cancel(errNodeSlow) })
	if n.callers != nil {
		principal := extapi.PrincipalOf(ctx)
		if err := n.callers.Enter(x.ctx, principal, n.patience/2); err != nil { //nolint:contextcheck // the exchange's own
			fault := x.fault(err, errNodeBusy)
			return x, fault
		}
		x.leave = func() { n.callers.Leave(principal) }
		x.timer.Reset(n.patience)
	}
	if trail := trailOf(ctx); trail != "" {
		header[trailHeader] = []string{trail}
	}
	for name, values := range n.target.headers {
		if _, ok := header[name]; !ok {
			header[name] = values
		}
	}
	request := &http.Request{
		Method: http.MethodPost, URL: n.target.url, Host: n.target.headers.Get("Host"), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		// A connection that the node closed while idle is replaced, before anything was sent.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	answer, err := n.transport.RoundTrip(request.WithContext(x.ctx)) //nolint:bodyclose,contextcheck // by end; the exchange's own
	if err != nil {
		n.failed(ctx, err)
		fault := x.fault(err, errNodeDown)
		return x, fault
	}
	x.answer = answer
	return x, nil
}

// fault says what became of an exchange that failed.
func (x *exchange) fault(err error, otherwise *wireError) *wireError {
	var dialing *net.OpError
	var told *wireError
	switch {
	case errors.Is(context.Cause(x.ctx), errNodeSlow):
		return errNodeSlow
	case x.ctx.Err() != nil:
		return errHungUp
	case errors.As(err, &told):
		return told
	case errors.As(err, &dialing) && dialing.Op == "dial":
		return errNodeDown
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &dialing):
		return errNodeCut
	default:
		return otherwise
	}
}

// Read reads the answer's body. Between reads it is the caller who is slow.
func (x *exchange) Read(p []byte) (int, error) {
	x.timer.Reset(x.patience)
	defer x.timer.Stop()
	return x.answer.Body.Read(p)
}

func (x *exchange) end() {
	x.timer.Stop()
	x.cancel(nil)
	if x.answer != nil {
		_ = x.answer.Body.Close() // what it held was read or is not wanted
	}
	x.leave()
}

// fetch sends a body and returns the whole answer, which begins as JSON does
// and for which there is room.
func (n *httpNode) fetch(ctx context.Context, room *share, body []byte) ([]byte, *wireError) {
	x, fault := n.post(ctx, body, http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}})
	defer x.end()
	if fault != nil {
		return nil, fault
	}
	before := room.has
	answer, err := io.ReadAll(taking{x, room})
	if err != nil {
		room.give(before)
		fault := x.fault(err, errNodeCut)
		if fault != errNodeLarge && fault != errHeld {
			n.failed(ctx, err)
		}
		return nil, fault
	}
	switch {
	case !likeJSON(answer) && !success(x.answer):
		return nil, errNodeStatus(x.answer.StatusCode)
	default:
		return answer, nil
	}
}

// success reports whether HTTP says that all went well.
func success(answer *http.Response) bool { return answer.StatusCode/100 == 2 }

// likeJSON reports whether an answer begins as one of JSON-RPC does.
func likeJSON(answer []byte) bool {
	rest := bytes.TrimLeft(answer, " \t\r\n")
	return len(rest) > 0 && (rest[0] == '{' || rest[0] == '[')
}

// ask sends calls as one batch under ids of its own; a single one by itself.
func (n *httpNode) ask(ctx context.Context, room *share, calls []message) []reply {
	answer, err := n.fetch(ctx, room, renumbered(calls, 1))
	if err != nil {
		return failAll(calls, err)
	}
	return sortAnswers(answer, calls)
}

// renumbered is the body of calls under the ids from first on. Notifications
// stay such.
func renumbered(calls []message, first uint64) []byte {
	size := 2
	for i := range calls {
		size += len(calls[i].raw) + 21
	}
	body := make([]byte, 0, size)
	for i := range calls {
		if i > 0 {
			body = append(body, ',')
		} else if len(calls) > 1 {
			body = append(body, '[')
		}
		m := &calls[i]
		if m.id == nil {
			body = append(body, m.raw...)
			continue
		}
		body = append(body, m.raw[:m.idAt]...)
		body = strconv.AppendUint(body, first+uint64(i), 10)
		body = append(body, m.raw[m.idAt+len(m.id):]...)
	}
	if len(calls) > 1 {
		body = append(body, ']')
	}
	return body
}

// post answers a message of a WebSocket client whose node has no WebSocket: the
// body goes to the node as it is.
func (p *Proxy) post(ctx context.Context, room *share, body []byte, calls []message, batch bool) []byte {
	node, ok := p.node.(*httpNode)
	if !ok {
		return p.mixed(ctx, room, calls, batch)
	}
	tally := p.tally(calls)
	answer, err := node.fetch(ctx, room, body)
	if err == nil && !silent(calls) && !json.Valid(answer) {
		err = errNodeGarbage
	}
	if err != nil {
		tally.all(err.Outcome())
		return failCalls(calls, batch, p.refusal(ctx, err))
	}
	tally.answered(tally.look(answer, ""))
	if len(answer) == 0 {
		return nil
	}
	return answer
}
