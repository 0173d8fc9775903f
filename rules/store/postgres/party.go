package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// party is one of the connections that show what a database does.
type party struct {
	conn *pgx.Conn
	patience
	process string // of the server; "" before the first answer
}

// answer is the last column of the only row. It is asked in one message, which a pooler gives
// to one process, and without statements that are prepared.
func (p *party) answer(ctx context.Context, sql string) (string, error) {
	var results []*pgconn.Result
	err := p.step(ctx, func(ctx context.Context) (err error) {
		results, err = p.conn.PgConn().Exec(ctx, sql).ReadAll()
		return unsupported(ctx, p.conn, err)
	})
	if err != nil {
		return "", err
	}
	for _, result := range results {
		if len(result.Rows) != 1 || len(result.Rows[0]) == 0 {
			continue
		}
		row := result.Rows[0]
		switch process := string(row[0]); p.process {
		case "":
			p.process = process
		case process:
		default:
			return "", moved(p.process, process)
		}
		return string(row[len(row)-1]), nil
	}
	return "", errors.New("the database answers with no row")
}

// moved is the error of a connection that another process of the server serves than before.
func moved(from, to any) error {
	return fmt.Errorf("%w: a connection was served by the server's process %v, and then by %v, %s", ErrLocks, from, to, pooled)
}

// forget gives a lock back, wherever a pooler has left it.
func (p *party) forget(ctx context.Context, key int64) {
	_ = p.step(ctx, func(ctx context.Context) error {
		_, err := p.conn.PgConn().Exec(ctx, fmt.Sprintf("SELECT pg_advisory_unlock(%d)", key)).ReadAll()
		return err
	})
}

// unsupported adds what to do to the answer of a database that is not PostgreSQL, or is
// behind a pooler.
func unsupported(ctx context.Context, conn *pgx.Conn, err error) error {
	switch {
	case hasCode(err, codeNoPrepared, codePrepared), err != nil && strings.Contains(err.Error(), "statement pooling mode"): // PgBouncer's words
		return fmt.Errorf("%w: it answers %s: %w", ErrLocks, pooled, err)
	case hasCode(err, codeUndefinedTable) && searches(ctx, conn):
		return fmt.Errorf("the store is damaged, or was restored in part: %w", err)
	case hasCode(err, codeUndefinedTable): // of a search path that was set
		return fmt.Errorf("%w: what was set for a connection was forgotten at a later statement, %s: %w", ErrLocks, pooled, err)
	case hasCode(err, codeNotSupported, codeNoFunction, codeNoObject):
		return fmt.Errorf("what calls itself %.100q lacks what kvclef needs of PostgreSQL %d or newer: %w", callsItself(ctx, conn), minServer/10000, err)
	default:
		return err
	}
}

// callsItself is what a database says of itself.
func callsItself(ctx context.Context, conn *pgx.Conn) string {
	results, _ := conn.PgConn().Exec(ctx, "ROLLBACK; SELECT version()").ReadAll() // "" if it says nothing
	for _, result := range results {
		if len(result.Rows) == 1 && len(result.Rows[0]) == 1 {
			return string(result.Rows[0][0])
		}
	}
	return ""
}
