// Package replicas tests several signers that share a database: the finished program,
// a real PostgreSQL, and an emulated vault. It has no code of its own.
package replicas
