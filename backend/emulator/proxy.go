package emulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// ProxyURL is the URL of a proxy on loopback that leads every CONNECT, whatever
// host it names, to this server and nowhere else. Set as HTTPS_PROXY, with the
// CA in SSL_CERT_FILE, it puts an unmodified program in front of the emulator. As
// HTTP_PROXY it also answers the metadata endpoint of managed identities.
func (s *Server) ProxyURL() string { return "http://" + s.plain.Addr().String() }

// DialContext leads every host to the server. In an http.Transport, with the CA
// among its roots, it lets the SDKs use genuine host names with all their checks
// on. Port 80, and its own address, lead to the plain listener, which has the
// endpoints of managed identities.
func (s *Server) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, fmt.Errorf("dialling %s: network %q is not tcp", addr, network)
	}
	to, plain := s.Addr(), s.plain.Addr().String()
	if _, port, err := net.SplitHostPort(addr); err == nil && port == "80" || addr == plain {
		to = plain
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to)
}

// servePlain handles the plain listener: tunnels and managed identities.
func (s *Server) servePlain(w http.ResponseWriter, r *http.Request) {
	if !s.requests.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.requests.leave()
	if r.Method == http.MethodConnect {
		s.tunnel(w, r)
		return
	}
	defer s.contain(w, r)
	s.serveIdentity(w, r)
}

// tunnel joins the caller to the HTTPS listener until either side, or the
// server, closes.
func (s *Server) tunnel(w http.ResponseWriter, r *http.Request) {
	var d net.Dialer
	up, err := d.DialContext(r.Context(), "tcp", s.Addr())
	if err != nil {
		http.Error(w, "the emulator does not answer", http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be a tunnel", http.StatusInternalServerError)
		return
	}
	defer down.Close()
	if _, err := io.WriteString(down, "HTTP/1.1 200 Connection Established\r\n\r\n"); err != nil {
		return
	}
	var copying sync.WaitGroup
	ended := make(chan struct{}, 2)
	splice := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // an error only says that the tunnel is over
		ended <- struct{}{}
	}
	copying.Go(func() { splice(up, buffered.Reader) })
	copying.Go(func() { splice(down, up) })
	<-ended // by either side; Close cuts the inner one
	up.Close()
	down.Close()
	copying.Wait()
}
