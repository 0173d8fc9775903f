package config

import (
	"errors"
	"fmt"
	"net"
)

// ValidatePorts finds listeners of which one would keep another from opening. Who turns one on
// after [Config.Validate] asks again.
func (c *Config) ValidatePorts() error {
	type listener struct {
		key  string
		on   bool
		addr string
		port uint16
	}
	all := []listener{
		{"listeners.http", c.Listeners.HTTP.Enabled, c.Listeners.HTTP.Addr, c.Listeners.HTTP.Port},
		{"proxy", c.Proxy.Enabled(), c.Proxy.Addr, c.Proxy.Port},
		{"metrics", c.Metrics.Enabled, c.Metrics.Addr, c.Metrics.Port},
		{"approvals.console", c.Approvals.Console.Enabled, c.Approvals.Console.Addr, c.Approvals.Console.Port},
	}
	var problems []error
	for i, one := range all {
		for _, other := range all[:i] {
			if one.on && other.on && one.port != 0 && one.port == other.port && overlap(one.addr, other.addr) {
				problems = append(problems, fmt.Errorf("%s.port: %d is that of %s: give one of them another", one.key, one.port, other.key))
			}
		}
	}
	return errors.Join(problems...)
}

// overlap reports whether two listeners of one port are in each other's way. Names are
// not looked up.
func overlap(a, b string) bool {
	ipA, ipB := address(a), address(b)
	if ipA == nil || ipB == nil {
		return a == b
	}
	return ipA.Equal(ipB) || ipA.IsUnspecified() || ipB.IsUnspecified()
}

func address(host string) net.IP {
	switch host {
	case "":
		return net.IPv6unspecified
	case "localhost":
		return net.IPv4(127, 0, 0, 1)
	default:
		return net.ParseIP(host)
	}
}
