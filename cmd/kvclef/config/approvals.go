package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Approvals say who approves what rules refer to people, and where. Without people
// it is off, and what is referred is refused.
type Approvals struct {
	// People are those who may approve, by their names: those that the approvals of
	// a policy and Default are made of. Default: none, off.
	People map[string]Person `yaml:"people"`

	Default DefaultQuorum `yaml:"default"`

	// Remember is how long an approval or a refusal waits for the request to be made
	// again. Default: 10m.
	Remember time.Duration `yaml:"remember"`

	// Keep is how long a ticket that has ended can be looked at. Default: 168h.
	Keep time.Duration `yaml:"keep"`

	// MaxOpen is how many requests may wait for people. Default: 1000.
	MaxOpen int `yaml:"max_open"`

	// MaxOpenPerCaller is how many of one principal may. Default: 250.
	MaxOpenPerCaller int `yaml:"max_open_per_caller"`

	// Socket is the socket of kvclef approvals. Default: approvals.sock in the data
	// directory.
	Socket string `yaml:"socket"`

	// SocketGroup is a group of the machine, by its name or its number, whose members
	// may use the socket too. Default: none, the user of the signer alone.
	SocketGroup string `yaml:"socket_group"`

	Console  Console   `yaml:"console"`
	Webhooks []Webhook `yaml:"webhooks"`
}

// Enabled reports whether there is anybody who can approve.
func (a *Approvals) Enabled() bool { return len(a.People) > 0 }

// Person is somebody who may approve.
type Person struct {
	// UID is the number of the person's user of the machine, as which it votes by
	// kvclef approvals. Default: none, it does not vote there.
	UID *uint32 `yaml:"uid"`

	// Principals are names under which the person also makes requests, besides its
	// own and the value of OIDC: who asks does not approve. Default: none.
	Principals []string `yaml:"principals"`

	// OIDC is who the person is for the issuer of approvals.console.oidc, such as its
	// address of e-mail. Default: none, it does not sign in so.
	OIDC string `yaml:"oidc"`
}

// Who asks, among those who approve.
const (
	RequesterExcluded = "excluded"
	RequesterIncluded = "included"
)

// DefaultQuorum are the people who are asked where rules name nobody.
type DefaultQuorum struct {
	// Threshold is how many must approve. Default: 1.
	Threshold int `yaml:"threshold"`

	// Of are the names of those who may. Default: none, and a request that is
	// referred to nobody by name is refused.
	Of []string `yaml:"of"`

	// Requester is excluded or included: whether who asks may approve. Default:
	// excluded.
	Requester string `yaml:"requester"`

	// Expires is when a request is refused that has not been approved by then.
	// Default: 1h.
	Expires time.Duration `yaml:"expires"`

	// Wait is how long the caller waits for people before it is told to come back.
	// Default: 20s.
	Wait time.Duration `yaml:"wait"`
}

// Quorum returns it as a decision has it, nil if there is nobody.
func (d *DefaultQuorum) Quorum() *rules.Quorum {
	if len(d.Of) == 0 {
		return nil
	}
	return &rules.Quorum{
		Group: "approvals.default", Threshold: d.Threshold, Of: d.Of, Requester: d.Requester == RequesterIncluded, Expires: d.Expires, Wait: d.Wait,
	}
}

// Console is where people approve with a browser.
type Console struct {
	// Enabled turns it on. Default: false.
	Enabled bool `yaml:"enabled"`

	// Addr is the host name or IP address to listen on. Default: 127.0.0.1.
	Addr string `yaml:"addr"`

	// Port is the TCP port to listen on, not 0. Default: 8551.
	Port uint16 `yaml:"port"`

	// URL is the address that browsers have it by, without a path. Default:
	// http://localhost and the port.
	URL string `yaml:"url"`

	TLS  ServerTLS `yaml:"tls"`
	OIDC OIDC      `yaml:"oidc"`
}

// Origin returns the address that browsers have it by.
func (c *Console) Origin() string {
	switch {
	case c.URL != "":
		return c.URL
	case c.TLS.CertFile != "":
		return fmt.Sprintf("https://localhost:%d", c.Port)
	default:
		return fmt.Sprintf("http://localhost:%d", c.Port)
	}
}

// ServerTLS encrypts a listener whose callers have no certificates.
type ServerTLS struct {
	// CertFile is a PEM file with the certificate and those that lead to its
	// authority. Default: none, the listener is in clear.
	CertFile string `yaml:"cert_file"`

	// KeyFile is a PEM file with the certificate's private key, which others can't
	// read.
	KeyFile string `yaml:"key_file"`

	// MinVersion is the oldest version of TLS that is spoken, 1.2 or 1.3. Default:
	// 1.3.
	MinVersion string `yaml:"min_version"`
}

// TLS returns it as that of other listeners.
func (t ServerTLS) TLS() TLS {
	return TLS{CertFile: t.CertFile, KeyFile: t.KeyFile, MinVersion: t.MinVersion}
}

// OIDC is an issuer of OpenID Connect by which people sign in. It is off unless
// an issuer is named.
type OIDC struct {
	// Issuer is the issuer's URL, https. Default: none, off.
	Issuer string `yaml:"issuer"`

	// ClientID is the id of the console for the issuer.
	ClientID string `yaml:"client_id"`

	// ClientSecretFile is a file with the console's secret, which others can't read.
	ClientSecretFile string `yaml:"client_secret_file"`

	// GroupsClaim is the claim with a person's groups. Default: groups.
	GroupsClaim string `yaml:"groups_claim"`

	// Group is one that a person must be in to sign in. Default: none.
	Group string `yaml:"group"`
}

// ClientSecret returns the console's secret, "" if it has none.
func (o *OIDC) ClientSecret() (string, error) {
	return lineOf("approvals.console.oidc.client_secret_file", o.ClientSecretFile)
}

// Forms of what is sent to a webhook, and what it is told of.
const (
	TemplateJSON  = "json"
	TemplateSlack = "slack"
	TemplateTeams = "teams"

	EventOpened  = "opened"
	EventDecided = "decided"
	EventExpired = "expired"
)

// Webhook is told of tickets.
type Webhook struct {
	// URL is where it is told, https, or http on this machine.
	URL string `yaml:"url"`

	// SecretFile is a file with the secret by which what is sent is signed, which
	// others can't read. Default: none, it is not signed.
	SecretFile string `yaml:"secret_file"`

	// Template is the form: json, slack or teams. Default: json.
	Template string `yaml:"template"`

	// Events are what it is told of: opened, decided, expired. Default: all.
	Events []string `yaml:"events"`
}

// Secret returns the secret by which what is sent is signed, "" if it is not. The key is
// that of the configuration, such as approvals.webhooks[0].
func (w *Webhook) Secret(key string) (string, error) {
	return lineOf(key+".secret_file", w.SecretFile)
}

// lineOf returns the line of a file with a secret, "" if there is no file.
func lineOf(key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := readSecret(key, path)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(text)
	if line == "" || strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("%s: %s does not hold one line", key, path)
	}
	return line, nil
}

func defaultApprovals() Approvals {
	return Approvals{
		Default:  DefaultQuorum{Threshold: 1, Requester: RequesterExcluded, Expires: time.Hour, Wait: 20 * time.Second},
		Remember: 10 * time.Minute, Keep: 168 * time.Hour, MaxOpen: 1000, MaxOpenPerCaller: 250,
		Console: Console{Addr: "127.0.0.1", Port: 8551, OIDC: OIDC{GroupsClaim: "groups"}},
	}
}

// SocketPath returns the path of the socket of kvclef approvals.
func (a *Approvals) SocketPath(dataDir string) string {
	if a.Socket != "" {
		return a.Socket
	}
	return filepath.Join(dataDir, "approvals.sock")
}
