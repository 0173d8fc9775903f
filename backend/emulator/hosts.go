package emulator

import (
	"net"
	"strings"
)

// ForeignHost is a host that belongs to nobody's vault, though the server's
// certificate covers it: FaultForeignNextLink points there, and what arrives is
// counted as OpForeign. A careful client never sends a token to it.
const ForeignHost = "keys.attacker.example"

// cloud is one of Azure's national clouds.
type cloud struct {
	vaultDomain string
	hsmDomain   string
	authority   string
}

var clouds = []cloud{
	{"vault.azure.net", "managedhsm.azure.net", "login.microsoftonline.com"},
	{"vault.azure.cn", "managedhsm.azure.cn", "login.chinacloudapi.cn"},
	{"vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net", "login.microsoftonline.us"},
}

func (c cloud) domain(f Flavor) string {
	if f == ManagedHSM {
		return c.hsmDomain
	}
	return c.vaultDomain
}

// target is what a request's Host header leads to: a vault, Entra, or, on
// loopback, both, told apart by path.
type target struct {
	vault     *vault
	entra     bool
	foreign   bool
	base      string // https://HOST[:PORT] as the caller wrote it, :443 left out
	genuine   bool   // a host name of the real service
	authority string // https://HOST[:PORT] of the Entra that the vault trusts
	resource  string // the audience that a token for the vault must have
}

// resolve finds what host, a Host header, leads to.
func (s *Server) resolve(host string) (target, bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	name, port := host, ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, ":"+p
	}
	t := target{base: "https://" + host}
	switch {
	case name == ForeignHost:
		t.foreign = true
		return t, true
	case isLoopback(name):
		t.vault, t.entra = s.vaults[0], true
		t.authority = t.base
		t.resource = "https://" + clouds[0].domain(t.vault.flavor)
		return t, true
	}
	label, domain, _ := strings.Cut(name, ".")
	if domain == "localhost" {
		// The resource is the parent domain, port included, so that the SDKs'
		// check of the challenge's resource holds.
		t.vault = s.byName[label]
		t.authority = "https://localhost" + port
		t.resource = "https://localhost" + port
		return t, t.vault != nil
	}
	for _, c := range clouds {
		if name == c.authority {
			t.entra = true
			return t, true
		}
		if v := s.byName[label]; v != nil && domain == c.domain(v.flavor) {
			t.vault, t.genuine = v, true
			t.authority = "https://" + c.authority
			t.resource = "https://" + domain
			return t, true
		}
	}
	return target{}, false
}

// knownResource tells whether a token may be asked for resource.
func (s *Server) knownResource(resource string) bool {
	name, ok := strings.CutPrefix(resource, "https://")
	if !ok {
		return false
	}
	for _, c := range clouds {
		if name == c.vaultDomain || name == c.hsmDomain {
			return true
		}
	}
	host, _, err := net.SplitHostPort(name)
	return err == nil && host == "localhost"
}

func isLoopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return ip != nil && ip.IsLoopback()
}

// certificateNames are all host names that the server's certificate covers.
func certificateNames() []string {
	names := []string{"localhost", "*.localhost", ForeignHost}
	for _, c := range clouds {
		names = append(names, "*."+c.vaultDomain, "*."+c.hsmDomain, c.authority)
	}
	return names
}
