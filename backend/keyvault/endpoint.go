package keyvault

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// endpoint is where a vault is and who issues its tokens.
type endpoint struct {
	url       string // https://host, without a trailing slash
	host      string // lower case; with a port only at custom endpoints
	label     string // the first label of the host
	authority string // https://host/ of the Entra endpoint
	hsm       bool   // a Managed HSM by its suffix
	custom    bool   // outside the known suffixes: the SDK's checks of the host are off
}

// suffix is one of the domains under which vaults live.
type suffix struct {
	domain    string
	hsm       bool
	authority string
}

// suffixes are the data-plane domains of the public cloud, of China (21Vianet)
// and of US Government, as the REST reference of Key Vault lists them.
var suffixes = []suffix{
	{".vault.azure.net", false, cloud.AzurePublic.ActiveDirectoryAuthorityHost},
	{".managedhsm.azure.net", true, cloud.AzurePublic.ActiveDirectoryAuthorityHost},
	{".vault.azure.cn", false, cloud.AzureChina.ActiveDirectoryAuthorityHost},
	{".managedhsm.azure.cn", true, cloud.AzureChina.ActiveDirectoryAuthorityHost},
	{".vault.usgovcloudapi.net", false, cloud.AzureGovernment.ActiveDirectoryAuthorityHost},
	{".managedhsm.usgovcloudapi.net", true, cloud.AzureGovernment.ActiveDirectoryAuthorityHost},
}

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// parseEndpoint normalises a vault's URL: https only, lower case, without the
// default port and without path, query, fragment or user. A host outside the
// known suffixes needs the custom switch and an authority.
func parseEndpoint(raw string, custom bool, authority string) (endpoint, error) {
	u, err := parseHTTPS(raw)
	if err != nil {
		return endpoint{}, fmt.Errorf("vault URL %q: %w", printable(raw), err)
	}
	e := endpoint{url: "https://" + u.Host, host: u.Host, custom: custom}
	e.label, _, _ = strings.Cut(u.Hostname(), ".")
	known := false
	for _, s := range suffixes {
		label, ok := strings.CutSuffix(u.Host, s.domain)
		if !ok {
			continue
		}
		if !hostLabel.MatchString(label) {
			return endpoint{}, fmt.Errorf("vault URL %q: want one name before %s", printable(raw), s.domain)
		}
		known, e.hsm, e.authority = true, s.hsm, s.authority
	}
	switch {
	case known && custom:
		return endpoint{}, fmt.Errorf("vault URL %q: this is an ordinary vault host: remove the custom endpoint setting, which turns checks off", printable(raw))
	case !known && !custom:
		return endpoint{}, fmt.Errorf("vault URL %q: not a Key Vault or Managed HSM host: correct it, such as https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net", printable(raw))
	case !known && authority == "":
		return endpoint{}, fmt.Errorf("vault URL %q: a custom endpoint needs an authority, the URL that issues its tokens", printable(raw))
	}
	if authority != "" {
		a, err := parseHTTPS(authority)
		if err != nil {
			return endpoint{}, fmt.Errorf("authority %q: %w", printable(authority), err)
		}
		e.authority = "https://" + a.Host + "/"
	}
	return e, nil
}

// Host returns the host of a vault's URL in one form, however it is written: lower
// case, without the default port. Two URLs of a vault have the same. Whether it can be
// a vault's is for [Open] to say.
func Host(raw string) (string, error) {
	u, err := parseHTTPS(raw)
	if err != nil {
		return "", fmt.Errorf("vault URL: %w", err)
	}
	return u.Host, nil
}

// parseHTTPS parses a URL that may only consist of https, a host and a port.
// A missing scheme means https.
func parseHTTPS(raw string) (*url.URL, error) {
	if len(raw) > 512 {
		return nil, errors.New("longer than 512 characters")
	}
	raw = strings.TrimSpace(raw)
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("not a URL: want https://HOST")
	case !strings.EqualFold(u.Scheme, "https"):
		return nil, errors.New("want https")
	case u.User != nil:
		return nil, errors.New("must not hold a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, errors.New("must not hold a query or fragment")
	case strings.Trim(u.Path, "/") != "":
		return nil, errors.New("must not hold a path")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !validHost(host) {
		return nil, errors.New("the host is missing or malformed")
	}
	if strings.HasSuffix(u.Host, ":") || port == "443" {
		port = ""
	}
	u.Host = host
	if port != "" {
		u.Host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	return u, nil
}

func validHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	return len(host) <= 253
}

// sameHost compares hosts as the service writes them: it puts the default port
// into links to further pages.
func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, ":443"), strings.TrimSuffix(b, ":443"))
}
