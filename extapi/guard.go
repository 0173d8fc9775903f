package extapi

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
)

// Guard keeps web pages that nobody allowed from calling a listener. Hosts are
// checked against DNS rebinding, as Clef does; origins, so that a page in a
// browser can't call what runs on the same machine.
type Guard struct {
	hosts, origins map[string]bool // in lower case
}

// NewGuard returns the guard of a listener with these virtual hosts and allowed
// origins, as [ServerConfig] has them.
func NewGuard(hosts, origins []string) Guard {
	return Guard{hosts: lowerSet(hosts), origins: lowerSet(origins)}
}

func lowerSet(values []string) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, value := range values {
		set[strings.ToLower(value)] = true
	}
	return set
}

// HostAllowed reports whether a Host header is absent, an IP address, or one
// of the virtual hosts, with any port.
func (g Guard) HostAllowed(hostport string) bool {
	if hostport == "" || g.hosts["*"] {
		return true
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return net.ParseIP(host) != nil || g.hosts[strings.ToLower(host)]
}

// OriginAllowed reports whether every Origin header is listed, and names the
// first that isn't.
func (g Guard) OriginAllowed(header http.Header) (string, bool) {
	for _, origin := range header.Values("Origin") {
		if !g.origins["*"] && !g.origins[strings.ToLower(origin)] {
			return origin, false
		}
	}
	return "", true
}

// RefusalLog returns a function that logs what a listener refuses, a few lines
// of each kind per second, so that a caller can't fill the disk.
func RefusalLog(log *slog.Logger) func(kind string, attrs ...any) {
	return newRefusals(log).add
}
