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
	if notice.SeverityUnlocalized == "WARNING" && notice.Code == codeWarning {
		conn.CustomData()[warned] = notice.Message
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
