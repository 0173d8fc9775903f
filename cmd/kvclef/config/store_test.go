package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStore(t *testing.T) {
	t.Parallel()
	good := func() Postgres {
		p := defaultStore().Postgres
		p.DSN = "host=db dbname=kvclef sslmode=verify-full"
		return p
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // "": it is taken
	}{
		"settings":     {func(*Config) {}, ""},
		"a URL":        {func(c *Config) { c.Store.Postgres.DSN = "postgres://kvclef@db/kvclef?sslmode=verify-full" }, ""},
		"off":          {func(c *Config) { c.Store.Postgres = Postgres{} }, ""},
		"a file":       {func(c *Config) { c.Store.Postgres.DSN, c.Store.Postgres.DSNFile = "", "/etc/kvclef/dsn" }, ""},
		"both":         {func(c *Config) { c.Store.Postgres.DSNFile = "/etc/kvclef/dsn" }, "remove one of them"},
		"URL password": {func(c *Config) { c.Store.Postgres.DSN = "postgres://kvclef:hunter2@db/kvclef" }, "it has a password in it"},
		"in the query": {func(c *Config) { c.Store.Postgres.DSN = "postgres://db/kvclef?password=hunter2" }, "it has a password in it"},
		"of a key":     {func(c *Config) { c.Store.Postgres.DSN = "host=db sslpassword = hunter2" }, "it has a password in it"},
		"setting":      {func(c *Config) { c.Store.Postgres.DSN = "host=db\tPassword='hunter2'" }, "it has a password in it"},
		"not a URL":    {func(c *Config) { c.Store.Postgres.DSN = "postgres://x:hunter2@db:y%zz/" }, "it has a password in it"},
		"connections":  {func(c *Config) { c.Store.Postgres.MaxConnections = 3 }, "must be 4 to 1000"},
		"timeout":      {func(c *Config) { c.Store.Postgres.Timeout = 2 * time.Minute }, "must be 100ms to 1m"},
		"long name":    {func(c *Config) { c.Replica = strings.Repeat("x", 65) }, "at most 64"},
		"odd name":     {func(c *Config) { c.Replica = "a\nb" }, "printable"},
		"hosting":      {func(c *Config) { c.Proxy.HostingKeyFile = "/key" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Config{Store: Store{Postgres: good()}}
			tt.change(c)
			err := c.validateStore()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it shows the password: %v", err)
			}
		})
	}
}

func TestReadDSN(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dsn")
	for text, good := range map[string]bool{"postgres://kvclef:hunter2@db/kvclef\n": true, "": false, "a=1\nb=2\n": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := Postgres{DSNFile: path}
		dsn, err := p.ReadDSN()
		if (err == nil) != good || good && dsn != strings.TrimSpace(text) || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %q, %v", text, dsn, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	p := Postgres{DSNFile: path}
	if _, err := p.ReadDSN(); err == nil || !strings.Contains(err.Error(), "others can read it") {
		t.Errorf("a file for all: %v", err)
	}
}

func TestReplicaName(t *testing.T) {
	t.Parallel()
	shared := Store{Postgres: Postgres{DSN: "service=kvclef"}}
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{}, ""}, {Config{Replica: "a"}, "a"}, {Config{Store: shared, Replica: "b"}, "b"}, {Config{Store: shared}, host[:min(len(host), maxReplica)]},
	} {
		if got, err := tt.c.ReplicaName(); err != nil || got != tt.want {
			t.Errorf("%q, %v, want %q", got, err, tt.want)
		}
	}
}
