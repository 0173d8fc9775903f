package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Store is where the durable state is, if not in the data directory.
type Store struct {
	Postgres Postgres `yaml:"postgres"`
}

// Postgres is a database that several signers share. It is off unless it is named.
type Postgres struct {
	// DSN names the database: a URL, or settings such as "host=db dbname=kvclef
	// sslmode=verify-full", without a password. Default: none, off.
	DSN string `yaml:"dsn"`

	// DSNFile is a file that holds the DSN, for one with a password in it. Default:
	// none.
	DSNFile string `yaml:"dsn_file"`

	// Schema is the schema of kvclef's tables. Default: kvclef.
	Schema string `yaml:"schema"`

	// MaxConnections bounds the connections that work, and those that hold locks.
	// Default: 16.
	MaxConnections int `yaml:"max_connections"`

	// Timeout is what the database may take for one step. Default: 10s.
	Timeout time.Duration `yaml:"timeout"`
}

// Enabled reports whether the state is in a database.
func (p *Postgres) Enabled() bool { return p.DSN != "" || p.DSNFile != "" }

// defaultStore keeps the bounds at zero: the store knows its own.
func defaultStore() Store {
	return Store{Postgres: Postgres{Schema: "kvclef", MaxConnections: 16, Timeout: 10 * time.Second}}
}

// maxReplica bounds the name of a signer among those that share a store, in bytes.
const maxReplica = 64

// keyword finds the password among settings.
var keyword = regexp.MustCompile(`(?i)(^|\s)(password|sslpassword)\s*=`)

func (c *Config) validateStore() error {
	var all problems
	p := &c.Store.Postgres
	printable := utf8.ValidString(c.Replica) && !strings.ContainsFunc(c.Replica, func(r rune) bool { return !unicode.IsPrint(r) })
	all.when(len(c.Replica) > maxReplica || !printable, "replica: %.100q; a name has at most %d printable bytes", c.Replica, maxReplica)
	if !p.Enabled() {
		return errors.Join(all...)
	}
	all.when(p.DSN != "" && p.DSNFile != "", "store.postgres: dsn and dsn_file both name the database: remove one of them")
	all.when(hasPassword(p.DSN), "store.postgres.dsn: it has a password in it: put the whole into a file of mode 0600, store.postgres.dsn_file, or the password into PGPASSFILE")
	all.when(p.MaxConnections < 4 || p.MaxConnections > 1000, "store.postgres.max_connections: %d; it must be 4 to 1000", p.MaxConnections)
	all.when(p.Timeout < 100*time.Millisecond || p.Timeout > time.Minute, "store.postgres.timeout: %s; it must be 100ms to 1m", p.Timeout)
	return errors.Join(all...)
}

// hasPassword reports whether a DSN holds a password.
func hasPassword(dsn string) bool {
	if !strings.Contains(dsn, "://") {
		return keyword.MatchString(dsn)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return true // nobody knows, and it is not to be shown
	}
	_, there := u.User.Password()
	query := u.Query()
	return there || query.Has("password") || query.Has("sslpassword")
}

// ReadDSN returns the DSN, from the file if that holds it. It may hold a password.
func (p *Postgres) ReadDSN() (string, error) {
	if p.DSNFile == "" {
		return p.DSN, nil
	}
	text, err := readSecret("store.postgres.dsn_file", p.DSNFile)
	if err != nil {
		return "", err
	}
	dsn := strings.TrimSpace(text)
	if dsn == "" || strings.ContainsAny(dsn, "\r\n") {
		return "", fmt.Errorf("store.postgres.dsn_file: %s does not hold one line with the database's DSN", p.DSNFile)
	}
	return dsn, nil
}

// ReplicaName is what the signer is called among those that share its store; "" if it
// has one to itself. The default is the machine's name.
func (c *Config) ReplicaName() (string, error) {
	if c.Replica != "" || !c.Store.Postgres.Enabled() {
		return c.Replica, nil
	}
	name, err := os.Hostname()
	if err == nil && name == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("replica: the machine's name can't be had: give one, another for each signer: %w", err)
	}
	return name[:min(len(name), maxReplica)], nil
}
