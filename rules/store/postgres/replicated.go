package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// warned is where a connection keeps what the server has warned of.
const warned = "kvclef.warned"

// noticed keeps a warning of the server. The one that matters here is of a commit
// that waited for a standby and was told to wait no longer (pg_cancel_backend): the
// server goes on to answer as if the standby had it.
func noticed(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.SeverityUnlocalized == "WARNING" && notice.Code == codeWarning && !harmless(notice.Routine) {
		conn.CustomData()[warned] = notice.Message
	}
}

// harmless tells whether what a routine of the server warns of says nothing of a commit.
// Those that are known come with every statement: that the database must be vacuumed, for
// weeks before that is urgent, and what triggers of the operator's own say. Texts are
// translated, and have the same code; what is not known is not harmless.
func harmless(routine string) bool {
	switch routine {
	case "GetNewTransactionId", "GetNewMultiXactId", "exec_stmt_raise":
		return true
	default:
		return false
	}
}

// commits makes a statement that commits. What the server warns of is not taken for
// durable.
func commits(conn *pgx.Conn, do func() error) error {
	data := conn.PgConn().CustomData()
	delete(data, warned)
	if err := do(); err != nil {
		return doubtful(err)
	}
	if text, ok := data[warned]; ok {
		return fmt.Errorf("%w: the database warns: %v", errDoubt, text)
	}
	return nil
}
