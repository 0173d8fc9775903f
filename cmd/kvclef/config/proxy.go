package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// What becomes of a transaction from an account that no vault holds.
const (
	RefuseOthers  = "refuse"
	ForwardOthers = "forward"
)

// Proxy is a JSON-RPC proxy in front of a node. It is off unless a node is named.
type Proxy struct {
	// Node is the node's endpoint: http, https, ws or wss, or the path of its IPC
	// socket. Default: none, off.
	Node string `yaml:"node"`

	// NodeFile is a file that holds the endpoint, for one with a secret in it, such
	// as a provider's key. Default: none.
	NodeFile string `yaml:"node_file"`

	// NodeWS is where subscriptions go when Node is http or https. Default: none,
	// there are no subscriptions then.
	NodeWS string `yaml:"node_ws"`

	// NodeHeadersFile is a file of lines NAME: VALUE, which are headers of each
	// request to the node. Default: none.
	NodeHeadersFile string `yaml:"node_headers_file"`

	// NodeTimeout bounds a request to the node. Default: 30s.
	NodeTimeout time.Duration `yaml:"node_timeout"`

	// Addr is the host name or IP address to listen on. Default: localhost.
	Addr string `yaml:"addr"`

	// Port is the TCP port to listen on; 0 is any free one. Default: 8555.
	Port uint16 `yaml:"port"`

	// VirtualHosts are the host names that requests may be sent to; "*" is any.
	// IP addresses always are. Default: localhost.
	VirtualHosts []string `yaml:"vhosts"`

	// Origins are the web origins whose pages may send requests. Default: none.
	Origins []string `yaml:"origins"`

	// TLS encrypts the listener, and names its callers, as listeners.http.tls does.
	TLS TLS `yaml:"tls"`

	// JWT are tokens that name its callers, as listeners.http.jwt.
	JWT JWT `yaml:"jwt"`

	// Allow are methods of the node, such as debug_traceTransaction or debug_*,
	// that are passed on though they are not by default. Default: none.
	Allow []string `yaml:"allow"`

	// Deny are further methods that are not passed on. Default: none.
	Deny []string `yaml:"deny"`

	// OtherAccounts says what becomes of a request to sign with an account that no
	// vault holds: refuse, or forward to the node, which may hold it. With forward,
	// eth_accounts shows the node's accounts too. Default: refuse.
	OtherAccounts string `yaml:"other_accounts"`

	// HostingKeyFile is a file with the key, 64 hexadecimal digits, under which the
	// configurations and services are sealed that are managed over the admin socket.
	// Default: none, there are none.
	HostingKeyFile string `yaml:"hosting_key_file"`

	// GasMargin is what an estimate of gas is multiplied by. Default: 1.2.
	GasMargin float64 `yaml:"gas_margin"`

	// TxFeeCap is the most that the fees of a transaction may be, in the chain's coin,
	// as geth's --rpc.txfeecap; 0 is no bound. Default: 1.
	TxFeeCap float64 `yaml:"tx_fee_cap"`

	// PollInterval is how often the node is asked for a new block while
	// transactions are under way. Default: 2s.
	PollInterval time.Duration `yaml:"poll_interval"`

	// Confirmations is how many blocks deep a transaction is looked after.
	// Default: 12.
	Confirmations uint64 `yaml:"confirmations"`

	// Retain is how long a finished transaction and its idempotency key are
	// remembered. Default: 168h.
	Retain time.Duration `yaml:"retain"`
}

// Enabled reports whether there is a node to stand in front of.
func (p *Proxy) Enabled() bool { return p.Node != "" || p.NodeFile != "" }

func defaultProxy() Proxy {
	return Proxy{
		NodeTimeout: 30 * time.Second, Addr: "localhost", Port: 8555, VirtualHosts: []string{"localhost"}, OtherAccounts: RefuseOthers,
		GasMargin: 1.2, TxFeeCap: 1, PollInterval: 2 * time.Second, Confirmations: 12, Retain: 168 * time.Hour,
	}
}

func (c *Config) validateProxy() error {
	var p problems
	v := c.Proxy
	p.when(v.Node != "" && v.NodeFile != "", "proxy: node and node_file both name the node: remove one of them")
	p.when(v.OtherAccounts != RefuseOthers && v.OtherAccounts != ForwardOthers, "proxy.other_accounts: %q; it must be %s or %s", v.OtherAccounts, RefuseOthers, ForwardOthers)
	p.when(!(v.GasMargin >= 1 && v.GasMargin <= 10), "proxy.gas_margin: %v; it must be from 1 to 10", v.GasMargin)       // NaN too
	p.when(!(v.TxFeeCap >= 0 && v.TxFeeCap <= 1e9), "proxy.tx_fee_cap: %v; it must be from 0 to 1000000000", v.TxFeeCap) // NaN too
	p.when(v.NodeTimeout <= 0, "proxy.node_timeout: %s; it must be above 0s", v.NodeTimeout)
	p.when(v.PollInterval < 10*time.Millisecond || v.PollInterval > time.Hour, "proxy.poll_interval: %s; it must be from 10ms to 1h", v.PollInterval)
	p.when(v.Confirmations < 1 || v.Confirmations > 10_000, "proxy.confirmations: %d; it must be from 1 to 10000", v.Confirmations)
	p.when(v.Retain < time.Hour, "proxy.retain: %s; it must be at least 1h", v.Retain)
	if v.Node != "" {
		p = append(p, checkNode("proxy.node", v.Node))
	}
	if v.NodeWS != "" {
		err := checkNode("proxy.node_ws", v.NodeWS)
		scheme, _, _ := strings.Cut(v.NodeWS, "://")
		p = append(p, err)
		p.when(err == nil && scheme != "ws" && scheme != "wss", "proxy.node_ws: it must begin with ws:// or wss://")
	}
	return errors.Join(p...)
}

// checkNode checks a node's endpoint, which no error shows: it may hold a secret.
func checkNode(key, endpoint string) error {
	if !strings.Contains(endpoint, "://") {
		if u, err := url.Parse(endpoint); strings.Contains(endpoint, "@") || err == nil && u.Scheme != "" && !filepath.IsAbs(endpoint) {
			return fmt.Errorf("%s: it is a URL without ://, or no path: give one such as http://localhost:8545 or /var/lib/geth/geth.ipc", key)
		}
		return nil // the path of a socket
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%s: it is not a URL such as http://localhost:8545", key)
	case u.User != nil:
		return fmt.Errorf("%s: it has a password in it, which other users see: put the URL into a file, proxy.node_file, or the header into proxy.node_headers_file", key)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("%s: the scheme %q is none of http, https, ws, wss", key, u.Scheme)
	}
	return nil
}

// Endpoint returns the node's endpoint, from the file if that holds it.
func (p *Proxy) Endpoint() (string, error) {
	if p.NodeFile == "" {
		return p.Node, checkNode("proxy.node", p.Node)
	}
	text, err := readSecret("proxy.node_file", p.NodeFile)
	if err != nil {
		return "", err
	}
	endpoint := strings.TrimSpace(text)
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "" || strings.ContainsAny(endpoint, "\r\n"):
		return "", fmt.Errorf("proxy.node_file: %s does not hold one line with the node's URL", p.NodeFile)
	case err != nil:
		return "", fmt.Errorf("proxy.node_file: %s does not hold a URL", p.NodeFile)
	}
	u.User = nil // it is sent, but not judged
	return endpoint, checkNode("proxy.node_file", u.String())
}

// NodeHeaders returns the headers of requests to the node.
func (p *Proxy) NodeHeaders() (http.Header, error) {
	return readHeaders("proxy.node_headers_file", p.NodeHeadersFile)
}

// token reports whether a text may be the name of a header (RFC 9110).
func token(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) < 0
}

// headerValue reports whether a text may be the value of a header.
func headerValue(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }) < 0
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 64 << 10

// readSecret reads a file that the signer's user alone may read. No error shows what is in
// it.
func readSecret(key, path string) (string, error) {
	data, info, err := readOrdinary(path, maxSecret)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	if OpenToOthers(info) {
		return "", fmt.Errorf("%s: %s has mode %#o, so that others can read it: run chmod 600 %s", key, path, info.Mode().Perm(), path)
	}
	return string(data), nil
}
