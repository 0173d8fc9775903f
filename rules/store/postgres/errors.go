package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kvclef/kvclef/rules/store"
)

// Why a store is not opened. The errors that wrap these name the database and
// the schema, and say what to do.
var (
	ErrMissing = store.ErrMissing
	ErrForeign = store.ErrForeign
	ErrOlder   = store.ErrOlder
	ErrNewer   = store.ErrNewer
	ErrUnsafe  = errors.New("the database does not keep what it says it has written")
	ErrStandby = errors.New("the database is a standby, which can't be written")
	ErrLocks   = errors.New("the database does not keep the locks of a session")
	ErrCitus   = errors.New("the database is one of Citus, where a store is safe in ordinary tables of the coordinator alone")
)

// What the methods of an open store answer with.
var (
	ErrClosed   = store.ErrClosed
	ErrNoHold   = store.ErrNoHold
	ErrTxClosed = store.ErrTxClosed
	ErrBounds   = store.ErrBounds
	ErrBroken   = errors.New("the database is behind what it has told before, and nothing is accepted until kvclef is started again")
	ErrLockGone = errors.New("the database lost a lock while its connection stayed, and nothing is accepted until kvclef is started again")
)

// errDoubt is a statement of which nobody knows whether it was done.
var errDoubt = errors.New("it may have been done or not")

// SQLSTATE codes.
const (
	codeWarning        = "01000"
	codeNotSupported   = "0A000"
	codeNoPrepared     = "26000"
	codePrepared       = "42P05"
	codeUndefinedTable = "42P01"
	codeNoObject       = "42704"
	codeNoFunction     = "42883"
	codeSerialization  = "40001"
	codeDeadlock       = "40P01"
	codeGeneration     = "KV001" // of ours
)

// hasCode tells whether the database answered with a code.
func hasCode(err error, codes ...string) bool {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return false
	}
	for _, code := range codes {
		if answer.Code == code {
			return true
		}
	}
	return false
}

// refusedByDatabase tells whether a statement that failed was certainly not done:
// the database said so, rather than that it ends the connection, or it was never
// sent.
func refusedByDatabase(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.SeverityUnlocalized == "ERROR" || answer.SeverityUnlocalized == "" && answer.Severity == "ERROR"
	}
	return pgconn.SafeToRetry(err)
}

// doubtful adds to the error of a statement that was sent what is not known of it.
func doubtful(err error) error {
	if err == nil || refusedByDatabase(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errDoubt, err)
}
