package extapi

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// httpHandler checks a request's host and origin before the rpc server sees
// it. Hosts are checked against DNS rebinding, as Clef does; origins, so that
// a page in a browser can't call the signer on the same machine.
type httpHandler struct {
	rpc     *rpc.Server
	hosts   map[string]bool
	origins map[string]bool
	large   chan struct{} // places for large bodies
	cfg     ServerConfig
	refused *refusals
}

func newHTTPHandler(cfg ServerConfig, server *rpc.Server, refused *refusals) *httpHandler {
	return &httpHandler{
		rpc: server, hosts: lowerSet(cfg.VirtualHosts), origins: lowerSet(cfg.AllowedOrigins),
		large: make(chan struct{}, maxLargeBodies), cfg: cfg, refused: refused,
	}
}

func lowerSet(values []string) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, value := range values {
		set[strings.ToLower(value)] = true
	}
	return set
}

// ServeHTTP answers as Clef does. Only a POST can carry a call; the rpc server
// answers the rest with an empty body or an HTTP error.
func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.hostAllowed(r.Host) {
		h.refused.add(refusedHost, slog.String("host", clip(r.Host)), slog.String("remote", r.RemoteAddr))
		http.Error(w, "invalid host specified", http.StatusForbidden)
		return
	}
	if origin, ok := h.originAllowed(r.Header); !ok {
		h.refused.add(refusedOrigin, slog.String("origin", clip(origin)), slog.String("remote", r.RemoteAddr))
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	deadline := time.Now().Add(h.cfg.ReadTimeout + h.cfg.RequestTimeout + h.cfg.WriteTimeout)
	_ = http.NewResponseController(w).SetWriteDeadline(deadline) // fails only on a closed connection
	if r.Method == http.MethodPost {
		body := &screenedBody{
			body: r.Body, length: r.ContentLength, cfg: h.cfg, large: h.large, hangup: r.Context().Done(), refused: h.refused,
		}
		defer body.leave()
		r.Body = body
	} else {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	h.rpc.ServeHTTP(w, r)
}

// hostAllowed reports whether a Host header is absent, an IP address, or one
// of the virtual hosts, with any port.
func (h *httpHandler) hostAllowed(hostport string) bool {
	if hostport == "" || h.hosts["*"] {
		return true
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return net.ParseIP(host) != nil || h.hosts[strings.ToLower(host)]
}

// originAllowed reports whether every Origin header is listed, and names the
// first that isn't.
func (h *httpHandler) originAllowed(header http.Header) (string, bool) {
	for _, origin := range header.Values("Origin") {
		if !h.origins["*"] && !h.origins[strings.ToLower(origin)] {
			return origin, false
		}
	}
	return "", true
}
