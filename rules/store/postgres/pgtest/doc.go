// Package pgtest starts a PostgreSQL server for tests: a real one, of its own,
// on a unix socket and on loopback, with the durability that a server has.
//
// Only tests import it. It is for Linux.
package pgtest
