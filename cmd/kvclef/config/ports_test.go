package config

import (
	"strings"
	"testing"
)

func TestPortsThatAreTheSame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, http, metrics string
		port                uint16 // of metrics
		apart               bool
	}{
		{"one address", "127.0.0.1", "127.0.0.1", 8550, false},
		{"its name", "localhost", "127.0.0.1", 8550, false},
		{"all addresses", "10.0.0.1", "0.0.0.0", 8550, false},
		{"all, of six", "::", "10.0.0.1", 8550, false},
		{"a name", "signer", "signer", 8550, false},
		{"another port", "127.0.0.1", "127.0.0.1", 8549, true},
		{"another address", "127.0.0.1", "10.0.0.1", 8550, true},
		{"a name that may be any", "signer", "127.0.0.1", 8550, true},
		{"any port", "127.0.0.1", "127.0.0.1", 0, true},
	} {
		c := Default()
		c.Listeners.HTTP.Enabled, c.Listeners.HTTP.Addr, c.Listeners.HTTP.Port = true, tt.http, 8550
		c.Metrics.Enabled, c.Metrics.Addr, c.Metrics.Port = true, tt.metrics, tt.port
		if tt.port == 0 {
			c.Listeners.HTTP.Port = 0
		}
		err := c.Validate()
		if (err == nil) != tt.apart || err != nil && !strings.Contains(err.Error(), "metrics.port: 8550 is that of listeners.http") {
			t.Errorf("%s: %v", tt.name, err)
		}
		c.Metrics.Enabled = false
		if err := c.Validate(); err != nil {
			t.Errorf("%s, and it is off: %v", tt.name, err)
		}
	}
}
