package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	version        = 2       // of the schema
	minServer      = 14_0000 // the first with idle_session_timeout
	connectTimeout = 5 * time.Second
	idleLimit      = 60 * time.Second // of a session that holds a lock and says nothing
	heartbeat      = idleLimit / 3
	lockConns      = 4 // that have locks: the storage's, all by a name, and those that are about to end
)

// parse reads a DSN. It may hold a password, wherever what is wrong with it
// stands: the error shows nothing of it.
func parse(dsn string) (*pgxpool.Config, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, errors.New("no database is named: give a DSN, such as service=kvclef")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the DSN is malformed, or names a file that can't be read; it is not shown, for it may hold a password: " +
			"write a URL, in which special characters are percent-encoded, or settings such as host=db dbname=kvclef sslmode=verify-full")
	}
	return config, nil
}

// place says which store it is, for people.
func place(config *pgxpool.Config, schema string) string {
	c := config.ConnConfig
	return "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database + " schema " + schema
}

// warnings tells what is unwise in how the database is reached.
func warnings(config *pgxpool.Config) []string {
	var all []string
	hosts := []*pgconn.FallbackConfig{{Host: config.ConnConfig.Host, TLSConfig: config.ConnConfig.TLSConfig}}
	told := make(map[string]bool)
	for _, h := range append(hosts, config.ConnConfig.Fallbacks...) {
		verified := h.TLSConfig != nil && !h.TLSConfig.InsecureSkipVerify
		if verified || local(h.Host) || told[h.Host] {
			continue
		}
		told[h.Host] = true
		all = append(all, fmt.Sprintf("the connection to the database at %s is not verified: whoever is between can change limits; use sslmode=verify-full", h.Host))
	}
	return all
}

// local tells whether a host is this machine.
func local(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// ident quotes a name.
func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// searchTail ends the search path of a store, whatever its schema is.
const searchTail = ", pg_temp"

// settings are what every connection has, whatever the role or the database
// has. Plans are made for tables that are large, also while they are not yet.
func settings(schema string) map[string]string {
	return map[string]string{
		"search_path":                         ident(schema) + searchTail,
		"default_transaction_isolation":       "read committed",
		"default_transaction_read_only":       "off",
		"idle_in_transaction_session_timeout": "10000",
		"enable_seqscan":                      "off",
		"jit":                                 "off",
		"bytea_output":                        "hex",
		"client_min_messages":                 "warning", // which commits look at
	}
}

// kept is what a connection finds.
type kept struct {
	format  string
	version int
	id      string
	created time.Time
	standby bool
	fsync   bool
	pages   bool // full_page_writes
	server  int
	holds   int64   // the last id of a hold
	mark    int64   // of records
	counts  []int64 // of the witnesses
	replace bool    // nothing
}

// greet makes a connection ready, and finds what it leads to, with the rows of witnesses.
func greet(ctx context.Context, conn *pgx.Conn, options Options, rows []int32, more map[string]string) (kept, error) {
	var k kept
	schema := options.Schema
	set := settings(schema)
	for name, value := range more {
		set[name] = value
	}
	names, values := make([]string, 0, len(set)), make([]string, 0, len(set))
	for name, value := range set {
		names, values = append(names, name), append(values, value)
	}
	var here, filled, citus bool
	var durability, before string
	var process, last int32 // of the server
	err := conn.QueryRow(ctx, `SELECT to_regclass($3) IS NOT NULL,
		EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $4), `+hasCitus+`,
		pg_backend_pid(), `+markOf+`, pg_is_in_recovery(), current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean,
		current_setting('server_version_num')::integer,
		(SELECT count(set_config(s.name, s.value, false)) FROM unnest($1::text[], $2::text[]) AS s (name, value)) IS NULL,
		-- Also where it is good, for it stays so when the server reads its configuration again.
		set_config('synchronous_commit', CASE WHEN c.durability IN ('off', 'local') THEN 'on' ELSE c.durability END, false)
		FROM current_setting('synchronous_commit') AS c (durability)`,
		names, values, ident(schema)+".format", schema).
		Scan(&here, &filled, &citus, &process, &before, &k.standby, &k.fsync, &k.pages, &k.server, &k.replace, &durability)
	switch {
	case err != nil:
		return k, unsupported(ctx, conn, err)
	case before != "" && checkMark(conn, before) != nil: // its own, when it is greeted again
		return k, fmt.Errorf("%w: the server's process still has what a connection before had set, %s", ErrLocks, pooled)
	case k.server < minServer:
		return k, fmt.Errorf("the server is PostgreSQL %d, and must be %d or newer", k.server/10000, minServer/10000)
	case k.standby:
		return k, fmt.Errorf("%w: name the primary, or add target_session_attrs=read-write", ErrStandby)
	case !k.fsync:
		return k, fmt.Errorf("%w: fsync is off in the server's configuration, and a crash would forget limits: turn it on", ErrUnsafe)
	}
	if citus {
		if err := ordinary(ctx, conn, schema); err != nil {
			return k, err
		}
	}
	switch {
	case !here && filled:
		return k, fmt.Errorf("%w: the schema has other tables: name another schema", ErrForeign)
	case !here:
		return k, fmt.Errorf("%w: make one with kvclef init", ErrMissing)
	}
	if err := k.read(ctx, conn); err != nil {
		return k, unsupported(ctx, conn, err)
	}
	err = conn.QueryRow(ctx, `SELECT h.last_value, r.mark, pg_backend_pid(), set_config($1, $2, false),
		ARRAY (SELECT coalesce((SELECT s.generation FROM sessions s WHERE s.id = w.id AND s.replica = $4), -1)
			FROM unnest($3::integer[]) WITH ORDINALITY AS w (id, place) ORDER BY w.place)
		FROM hold_id h, records_size r`, markSetting, newMark(conn), rows, options.Replica).
		Scan(&k.holds, &k.mark, &last, new(string), &k.counts)
	if err == nil && process != last {
		err = moved(process, last)
	}
	return k, unsupported(ctx, conn, err)
}

// read finds what the store is.
func (k *kept) read(ctx context.Context, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, "SELECT format, version, id, created FROM format").Scan(&k.format, &k.version, &k.id, &k.created)
	var answer *pgconn.PgError
	switch {
	case hasCode(err, codePrepared, codeUndefinedTable): // it was here
		return err
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &answer) && strings.HasPrefix(answer.Code, "42") && answer.Code != "42501", err == nil && k.format != "kvclef":
		return fmt.Errorf("%w: name another schema", ErrForeign)
	case err != nil:
		return err
	case k.version < version:
		return fmt.Errorf("%w: it has version %d, and this kvclef needs %d: bring it up with kvclef init, when no older kvclef runs any more", ErrOlder, k.version, version)
	case k.version > version:
		return fmt.Errorf("%w: it has version %d, and this kvclef knows %d: use a newer kvclef", ErrNewer, k.version, version)
	}
	return privileges(ctx, conn)
}

// lockKey is a number for what is locked by a name.
func lockKey(parts ...string) int64 {
	hash := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return int64(binary.BigEndian.Uint64(hash[:]))
}
