package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestProxyIsValidated(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Proxy)
		want   string // "": it is fine
	}{
		"off":             {func(*Proxy) {}, ""},
		"http":            {func(p *Proxy) { p.Node = "http://localhost:8545" }, ""},
		"socket":          {func(p *Proxy) { p.Node = "/run/geth/geth.ipc" }, ""},
		"both":            {func(p *Proxy) { p.Node, p.NodeFile = "http://a", "b" }, "remove one of them"},
		"password":        {func(p *Proxy) { p.Node = "https://user:hunter2@node.example" }, "it has a password in it"},
		"scheme":          {func(p *Proxy) { p.Node = "ftp://node.example" }, `"ftp" is none of`},
		"no host":         {func(p *Proxy) { p.Node = "http://" }, "it is not a URL"},
		"ws is http":      {func(p *Proxy) { p.Node, p.NodeWS = "http://a", "http://b" }, "must begin with ws://"},
		"a user's name":   {func(p *Proxy) { p.Node = "me:hunter2@node.example" }, "a URL without ://"},
		"no slashes":      {func(p *Proxy) { p.Node = "localhost:8545" }, "a URL without ://"},
		"one slash":       {func(p *Proxy) { p.Node = "https:/node.example/hunter2" }, "a URL without ://"},
		"fees":            {func(p *Proxy) { p.TxFeeCap = -1 }, "from 0 to 1000000000"},
		"other accounts":  {func(p *Proxy) { p.OtherAccounts = "sign" }, `"sign"; it must be refuse or forward`},
		"margin":          {func(p *Proxy) { p.GasMargin = 0.9 }, "from 1 to 10"},
		"confirmations":   {func(p *Proxy) { p.Confirmations = 0 }, "from 1 to 10000"},
		"poll":            {func(p *Proxy) { p.PollInterval = time.Millisecond }, "from 10ms to 1h"},
		"retain":          {func(p *Proxy) { p.Retain = time.Minute }, "at least 1h"},
		"without timeout": {func(p *Proxy) { p.NodeTimeout = 0 }, "above 0s"},
	} {
		cfg := Default()
		c.change(&cfg.Proxy)
		err := cfg.Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

func TestNodeFiles(t *testing.T) {
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string // of the error; "": the first line is the endpoint
	}{
		{"https://node.example/v3/s3cret\n", 0o600, ""},
		{"https://me:s3cret@node.example", 0o600, ""},
		{"https://node.example/v3/s3cret\n", 0o644, "chmod 600"},
		{"", 0o600, "one line"},
		{"https://a/s3cret\nhttps://b", 0o600, "one line"},
		{"ftp://node.example/s3cret", 0o600, `"ftp" is none of`},
		{strings.Repeat("s3cret", 20_000), 0o600, "more than 65536 bytes"},
	} {
		p := Proxy{NodeFile: write(c.text, c.mode)}
		endpoint, err := p.Endpoint()
		if c.want == "" {
			if err != nil || endpoint != strings.TrimSpace(c.text) {
				t.Errorf("%.40q: %q, %v", c.text, endpoint, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.40q: %v, want %q", c.text, err, c.want)
		}
	}

	p := Proxy{NodeHeadersFile: write("# ours\nAuthorization: Bearer s3cret\n\nX-Team:  a:b \nX-Team: c\n", 0o600)}
	headers, err := p.NodeHeaders()
	if err != nil || headers.Get("authorization") != "Bearer s3cret" || !slices.Equal(headers.Values("X-Team"), []string{"a:b", "c"}) {
		t.Errorf("%v, %v", headers, err)
	}
	for _, text := range []string{"Authorization s3cret", ": s3cret", "Na me: s3cret", "Name: s3cret\x01"} {
		p.NodeHeadersFile = write(text, 0o600)
		if _, err := p.NodeHeaders(); err == nil || !strings.Contains(err.Error(), ":1 is not NAME: VALUE") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
