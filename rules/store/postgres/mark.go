package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Each connection sets a mark for its session, a random text that no other knows. Where
// another's is found in its place, or none, the server's process has served somebody else
// meanwhile, whatever two connections could show at the start: several poolers behind one
// address give each a process of its own for as long as few are connected.
const (
	markSetting = "kvclef.session"
	markOf      = "coalesce(current_setting('" + markSetting + "', true), '')"
)

// markKey is where a connection keeps its mark.
const markKey = "kvclef.mark"

// newMark is the mark that a connection is to set.
func newMark(conn *pgx.Conn) string {
	mark := rand.Text()
	conn.PgConn().CustomData()[markKey] = mark
	return mark
}

// checkMark refuses a connection that has lost its mark.
func checkMark(conn *pgx.Conn, found string) error {
	if own, _ := conn.PgConn().CustomData()[markKey].(string); own == "" || found != own {
		return fmt.Errorf("%w: another connection was served by the server's process of this one, %s", ErrLocks, pooled)
	}
	return nil
}

// searches reports whether a connection still has the search path of a store.
func searches(ctx context.Context, conn *pgx.Conn) bool {
	results, err := conn.PgConn().Exec(ctx, "SELECT current_setting('search_path')").ReadAll()
	return err == nil && len(results) == 1 && len(results[0].Rows) == 1 && len(results[0].Rows[0]) == 1 &&
		strings.HasSuffix(string(results[0].Rows[0][0]), searchTail)
}
