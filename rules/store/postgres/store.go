// Package postgres keeps kvclef's durable state in a schema of a PostgreSQL
// database that several processes share: the storage of rule files, what is held
// and spent of limits, records, attestations, and how far audit logs had come.
//
// What a method says is durable was committed synchronously. Nothing is decided
// by what a process remembers: each hold locks the counters that it counts
// against, in the order of their names, and goes by the database's clock. Tables
// are made by [Migrate] alone: [Open] never makes or changes them. The database is
// not encrypted: keys and secrets have no place in it.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/kvclef/kvclef/rules"
)

// Store is an open store. It is safe for concurrent use.
type Store struct {
	options  Options
	place    string
	warnings []string
	found    kept // when it was opened
	work     *pgxpool.Pool
	locking  *pgxpool.Pool // of connections that have locks

	base   context.Context //nolint:containedctx // the life of the store, which outlives requests
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	holds   *group[*holdJob]
	changes *group[*changeJob]
	fence   fence
	storage storage
	held    sessions
	names   names
	named   chan struct{} // has one for each lock by a name

	lastHold, lastMark atomic.Int64 // that were seen
	witnesses          witnessed
	broken             atomic.Pointer[brokenError]

	closing sync.Once
}

var (
	_ rules.Storage = (*Store)(nil)
	_ rules.Ledger  = (*Store)(nil)
	_ rules.Meter   = (*Store)(nil)
	_ rules.Records = (*Store)(nil)
	_ rules.Shared  = (*Store)(nil)
)

// Open opens a store, which others may have open too. Close ends it. The error is
// [ErrMissing], [ErrForeign], [ErrOlder], [ErrNewer], [ErrUnsafe], [ErrStandby],
// [ErrLocks] or [ErrCitus], with the remedy, or one of the connection.
func Open(ctx context.Context, options Options) (*Store, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	config := options.Config
	if config == nil {
		if config, err = parse(options.DSN); err != nil {
			return nil, err
		}
	}
	s := &Store{options: options, place: place(config, options.Schema), warnings: warnings(config)}
	s.base, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.witnesses.init()
	if err := s.connect(ctx, config); err != nil {
		s.end()
		return nil, fmt.Errorf("opening the store at %s: %w", s.place, err)
	}
	s.storage.turn = newTurn()
	s.names.init()
	s.named = make(chan struct{}, maxNamed)
	s.tasks.Go(s.keepNamed)
	s.holds = newGroup("holds", holders, s.holdAll)
	s.changes = newGroup("changes of records", 1, s.changeAll)
	if options.Clock == nil {
		s.tasks.Go(s.sweep)
	}
	return s, nil
}

// connect makes the pools, and finds what they lead to.
func (s *Store) connect(ctx context.Context, config *pgxpool.Config) error {
	timeout := milliseconds(s.options.Timeout)
	work := map[string]string{"statement_timeout": timeout, "lock_timeout": timeout, "idle_session_timeout": "0"}
	locking := map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_session_timeout": milliseconds(idleLimit)}
	var err error
	if s.work, err = s.pool(config, "kvclef/"+s.options.Replica, s.options.Conns, work); err != nil {
		return err
	}
	if s.locking, err = s.pool(config, "kvclef/"+s.options.Replica+" locks", lockConns, locking); err != nil {
		return err
	}
	conn, err := s.meet(ctx, work)
	if err != nil {
		return err
	}
	defer conn.Release()
	if !s.found.pages {
		s.warnings = append(s.warnings, "full_page_writes is off in the server's configuration: a power cut may damage the database, unless its file system can't tear pages")
	}
	if err := s.prove(ctx, conn.Conn()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	err = commits(conn.Conn(), func() error { return s.beginSession(ctx, conn, &s.fence.current) })
	if pgconn.Timeout(err) {
		err = fmt.Errorf("the database answers, and commits nothing within %v: it may wait for a standby (synchronous_standby_names), or for its disk, longer than store.postgres.timeout allows: %w", s.options.Timeout, err)
	}
	s.storage.lock = lockKey(s.found.id, "storage")
	return err
}

// meet makes the first connection, and finds what it leads to.
func (s *Store) meet(ctx context.Context, more map[string]string) (*pgxpool.Conn, error) {
	var conn *pgxpool.Conn
	err := s.patience().step(ctx, func(ctx context.Context) (err error) {
		conn, err = s.work.Acquire(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.patience().step(ctx, func(ctx context.Context) (err error) {
		s.found, err = greet(ctx, conn.Conn(), s.options, nil, more)
		return err
	})
	if err != nil {
		conn.Release()
		return nil, err
	}
	return conn, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(max(d.Milliseconds(), 1)) }

// pool makes connections as they are needed, each to the store that was opened.
func (s *Store) pool(from *pgxpool.Config, name string, conns int, more map[string]string) (*pgxpool.Pool, error) {
	config := from.Copy()
	config.MaxConns = int32(conns)
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = time.Hour, 10*time.Minute
	config.MaxConnIdleTime = heartbeat
	config.ConnConfig.RuntimeParams = maps.Clone(config.ConnConfig.RuntimeParams)
	config.ConnConfig.RuntimeParams["application_name"] = shorten(name)
	if config.ConnConfig.ConnectTimeout <= 0 || config.ConnConfig.ConnectTimeout > s.options.Timeout {
		config.ConnConfig.ConnectTimeout = min(connectTimeout, s.options.Timeout)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		hold, mark := s.lastHold.Load(), s.lastMark.Load() // before it is read: they grow meanwhile
		stands, rows := s.witnesses.stands()
		found, err := greet(ctx, conn, s.options, rows, more)
		if errors.Is(err, ErrCitus) && s.found.id != "" { // other connections would go on
			return s.breakUp(err)
		}
		if err != nil {
			return err
		}
		if err := s.recognise(found, hold, mark); err != nil {
			return err
		}
		return s.compare(stands, found.counts)
	}
	config.ConnConfig.OnNotice = noticed
	config.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) { return quiet(conn.PgConn().Conn()), nil }
	return pgxpool.NewWithConfig(s.base, config)
}

// shorten keeps a name within what PostgreSQL shows of it.
func shorten(name string) string { return name[:min(len(name), maxSchema)] }

// brokenError is why a store is not used any more.
type brokenError struct{ err error }

// recognise refuses a database that is behind what it has told before, which was
// a hold and a mark at least: an older copy, in which limits that were used up
// would be free again.
func (s *Store) recognise(found kept, hold, mark int64) error {
	switch id := s.found.id; {
	case id == "": // the first
		return nil
	case found.id != id:
		return s.behind("the store was %s, and is %s", id, found.id)
	case found.holds < hold:
		return s.behind("the last hold was %d, and is %d", hold, found.holds)
	case found.mark < mark:
		return s.behind("the last change of records was %d, and is %d", mark, found.mark)
	}
	return nil
}

func (s *Store) behind(format string, args ...any) error {
	return s.breakUp(fmt.Errorf("%w: %w", ErrBroken, fmt.Errorf(format, args...)))
}

// breakUp refuses everything from now on, and returns the error for it, which is the first's.
func (s *Store) breakUp(err error) error {
	if s.broken.CompareAndSwap(nil, &brokenError{err}) {
		s.options.Logger.Error("the database is not relied on any more", "store", s.place, "error", err)
	}
	return s.broken.Load().err
}

// saw remembers the greatest of numbers that only grow, of what is durable.
func saw(last *atomic.Int64, n int64) {
	for {
		before := last.Load()
		if n <= before || last.CompareAndSwap(before, n) {
			return
		}
	}
}

// usable refuses what is asked of a store that has ended, or by nobody.
func (s *Store) usable(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if s.base.Err() != nil {
		return ErrClosed
	}
	if broken := s.broken.Load(); broken != nil {
		return broken.err
	}
	return nil
}

// step is a context for one step that goes on when the one who asked has gone.
func (s *Store) step() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.base, s.options.Timeout)
}

// reading is a context for a step that is for the one who asks alone.
func (s *Store) reading(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := s.usable(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	stop := context.AfterFunc(s.base, cancel)
	return ctx, func() { stop(); cancel() }, nil
}

// Warnings are what is unwise in how the database is reached or configured. They
// are for the log.
func (s *Store) Warnings() []string { return s.warnings }

// Place says which store it is, for people. It holds no secret.
func (s *Store) Place() string { return s.place }

// ID is what the store was given when it was made.
func (s *Store) ID() string { return s.found.id }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if _, err := s.work.Exec(ctx, "SELECT 1 FROM format"); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}

// Close ends the store when what is being written is. Whoever waits is refused.
func (s *Store) Close() error {
	s.closing.Do(func() {
		timer := time.AfterFunc(s.options.Timeout, s.cancel)
		defer timer.Stop()
		s.storage.turn.close()
		s.holds.close()
		s.changes.close()
		s.end()
	})
	return nil
}

func (s *Store) end() {
	s.cancel()
	s.held.drop()
	s.tasks.Wait()
	for _, pool := range []*pgxpool.Pool{s.locking, s.work} {
		if pool != nil {
			pool.Close()
		}
	}
}

// privileges tells which the role lacks.
func privileges(ctx context.Context, conn *pgx.Conn) error {
	var lacking string
	err := conn.QueryRow(ctx, `WITH here AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema())
		SELECT coalesce(string_agg(lacking.name, ', ' ORDER BY lacking.name), '') FROM (
			SELECT c.relname::text AS name FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM here) AND (
				c.relkind = 'S' AND c.relname = 'hold_id' AND NOT has_sequence_privilege(c.oid, 'USAGE, SELECT')
				OR c.relkind = 'r' AND NOT has_table_privilege(c.oid, 'SELECT')
				OR c.relkind = 'r' AND c.relname <> 'format' AND NOT (has_table_privilege(c.oid, 'INSERT')
					AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
			UNION SELECT p.proname || '()' FROM pg_proc p WHERE p.pronamespace = (SELECT oid FROM here) AND NOT has_function_privilege(p.oid, 'EXECUTE')
				AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') -- an extension's
		) lacking`).Scan(&lacking)
	if err == nil && lacking != "" {
		err = errors.New("the role may not use " + lacking + ": grant it what docs/postgres.md lists")
	}
	return err
}
