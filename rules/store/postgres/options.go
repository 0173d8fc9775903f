package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/kvclef/kvclef/rules"
)

// Defaults and bounds of what a store asks of a database.
const (
	DefaultSchema  = "kvclef"
	DefaultConns   = 16               // connections that work; for locks there are a few more
	DefaultTimeout = 10 * time.Second // of one step
	maxSchema      = 63               // bytes, PostgreSQL's bound of a name
	maxReplica     = 128              // bytes
)

// Options say which store is opened, and how. DSN or Config, and Replica, are
// needed.
type Options struct {
	// DSN names the database: a URL, or settings such as "host=db dbname=kvclef
	// sslmode=verify-full". What it does not say comes from the environment, the
	// service file and the password file, as with every client of PostgreSQL.
	DSN string

	// Config takes the place of DSN. It is copied.
	Config *pgxpool.Config

	Schema  string // "" is DefaultSchema
	Replica string // what this process is called among those that share the store

	Logger  *slog.Logger
	Conns   int           // 0 is DefaultConns
	Timeout time.Duration // that the database may take for one step; 0 is DefaultTimeout

	// Clock takes the place of the database's clock, in tests.
	Clock func() time.Time

	// Committed is told how long a transaction took until it was durable. There may be
	// several at the same time.
	Committed func(took time.Duration)

	most size // of records, in tests; the zero value is what rules says
}

// size is what records take.
type size struct{ keys, bytes int64 }

// Check reports what is wrong with the options themselves. It asks nobody.
func (o Options) Check() error {
	_, err := o.withDefaults()
	if o.Config == nil {
		_, errDSN := parse(o.DSN)
		err = errors.Join(err, errDSN)
	}
	return err
}

func (o Options) withDefaults() (Options, error) {
	if o.Schema == "" {
		o.Schema = DefaultSchema
	}
	if o.Conns == 0 {
		o.Conns = DefaultConns
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Committed == nil {
		o.Committed = func(time.Duration) {}
	}
	if o.most == (size{}) {
		o.most = size{keys: rules.MaxRecords, bytes: rules.MaxRecordBytes}
	}
	printable := utf8.ValidString(o.Replica) && !strings.ContainsFunc(o.Replica, func(r rune) bool { return !unicode.IsPrint(r) })
	return o, errors.Join(
		checkSchema(o.Schema),
		check(o.Conns >= 4 && o.Conns <= 1000, "%d connections to the database: there may be 4 to 1000", o.Conns),
		check(o.Timeout >= time.Millisecond, "a time limit of %v for the database: it must be a millisecond at least", o.Timeout),
		check(o.Replica != "" && len(o.Replica) <= maxReplica && printable,
			"the replica is called %q: give it a name of 1 to %d printable bytes, another for each process", o.Replica, maxReplica),
	)
}

func checkSchema(schema string) error {
	return check(schema != "" && len(schema) <= maxSchema && utf8.ValidString(schema) && !strings.ContainsRune(schema, 0) && !strings.HasPrefix(schema, "pg_"),
		"the schema is called %q: a name has 1 to %d bytes, and does not begin with pg_", schema, maxSchema)
}

func check(good bool, format string, args ...any) error {
	if good {
		return nil
	}
	return fmt.Errorf(format, args...)
}
