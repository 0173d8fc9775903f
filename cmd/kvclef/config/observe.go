package config

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Metrics is the listener for those who watch the signer: /metrics, /healthz and
// /readyz.
type Metrics struct {
	// Enabled turns the listener on. Default: false.
	Enabled bool `yaml:"enabled"`

	// Addr is the host name or IP address to listen on. What is told is no secret,
	// but everybody's business it is not: beyond loopback it needs TLS with
	// ClientCAFile, or Plain. Default: 127.0.0.1.
	Addr string `yaml:"addr"`

	// Port is the TCP port to listen on; 0 is any free one. Default: 9545.
	Port uint16 `yaml:"port"`

	// TLS encrypts the listener. With ClientCAFile those alone read it who have a
	// certificate of it.
	TLS WatchTLS `yaml:"tls"`

	// Plain says that other machines may read it without encryption or without saying
	// who they are, since something else lets in those alone who watch, such as a
	// network policy. Default: false.
	Plain bool `yaml:"plain"`
}

// WatchTLS is the certificate of a listener for those who watch, and whom it lets in.
type WatchTLS struct {
	// CertFile is a PEM file with the certificate and those that lead to its
	// authority. Default: none, the listener is in clear.
	CertFile string `yaml:"cert_file"`

	// KeyFile is a PEM file with the certificate's private key, which others can't
	// read.
	KeyFile string `yaml:"key_file"`

	// ClientCAFile is a PEM file with the authorities of certificates that those have
	// who may read. Default: none, nobody is asked.
	ClientCAFile string `yaml:"client_ca_file"`

	// MinVersion is the oldest version of TLS that is spoken, 1.2 or 1.3. Default:
	// 1.3.
	MinVersion string `yaml:"min_version"`
}

// TLS returns it as that of other listeners.
func (t *WatchTLS) TLS() TLS {
	return TLS{CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.ClientCAFile, MinVersion: t.MinVersion}
}

// Listen is host:port of the listener.
func (m *Metrics) Listen() string { return net.JoinHostPort(m.Addr, strconv.Itoa(int(m.Port))) }

// Tracing exports what the signer does as OpenTelemetry spans, by OTLP over HTTP.
type Tracing struct {
	// Endpoint is the URL of the receiver, such as http://localhost:4318; /v1/traces is
	// added to one without a path. Default: that of OTEL_EXPORTER_OTLP_ENDPOINT, else
	// nothing is exported.
	Endpoint string `yaml:"endpoint"`

	// Sample is the part of requests that is recorded, from 0 to 1. Default: 1.
	Sample float64 `yaml:"sample"`

	// HeadersFile is a file of lines NAME: VALUE, which are headers of each request
	// to the receiver. Default: those of OTEL_EXPORTER_OTLP_HEADERS.
	HeadersFile string `yaml:"headers_file"`
}

// Headers returns the headers of requests to the receiver.
func (t *Tracing) Headers() (map[string]string, error) {
	headers, err := readHeaders("tracing.headers_file", t.HeadersFile)
	if err != nil {
		return nil, err
	}
	flat := make(map[string]string, len(headers))
	for name := range headers {
		flat[name] = headers.Get(name)
	}
	return flat, nil
}

func (c *Config) validateObserve() error {
	encryption := c.Metrics.TLS.TLS()
	err := encryption.validate("metrics.tls")
	if c.Metrics.Enabled && c.Metrics.Addr == "" {
		err = errors.Join(err, errors.New("metrics.addr is empty: give 127.0.0.1, or the address that others may reach"))
	}
	return errors.Join(err, c.Tracing.validate())
}

func (t *Tracing) validate() error {
	var sampling error
	if !(t.Sample >= 0 && t.Sample <= 1) {
		sampling = fmt.Errorf("tracing.sample: %v is not from 0 to 1", t.Sample)
	}
	if t.Endpoint == "" {
		return sampling
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.Join(sampling, errors.New("tracing.endpoint: it is no URL such as http://localhost:4318"))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.Join(sampling, errors.New("tracing.endpoint: a URL with a user, a query or a fragment; secrets stand in tracing.headers_file"))
	}
	return sampling
}

// readHeaders reads a file of headers, NAME: VALUE on each line. The key names it in
// errors, which show nothing of what is in it; an empty path is no headers.
func readHeaders(key, path string) (http.Header, error) {
	headers := make(http.Header)
	if path == "" {
		return headers, nil
	}
	text, err := readSecret(key, path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		name, value = textproto.TrimString(name), textproto.TrimString(value)
		if !found || !token(name) || !headerValue(value) {
			return nil, fmt.Errorf("%s: %s:%d is not NAME: VALUE", key, path, i+1)
		}
		headers.Add(name, value)
	}
	return headers, nil
}
