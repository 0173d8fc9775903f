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
	// but everybody's business it is not. Default: 127.0.0.1.
	Addr string `yaml:"addr"`

	// Port is the TCP port to listen on; 0 is any free one. Default: 9545.
	Port uint16 `yaml:"port"`
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
	if c.Metrics.Enabled && c.Metrics.Addr == "" {
		return errors.New("metrics.addr is empty: give 127.0.0.1, or the address that others may reach")
	}
	if sample := c.Tracing.Sample; !(sample >= 0 && sample <= 1) {
		return fmt.Errorf("tracing.sample: %v is not from 0 to 1", sample)
	}
	if c.Tracing.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Tracing.Endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.New("tracing.endpoint: it is no URL such as http://localhost:4318")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("tracing.endpoint: a URL with a user, a query or a fragment; secrets stand in tracing.headers_file")
	}
	return nil
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
