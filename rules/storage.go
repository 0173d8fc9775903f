package rules

import "context"

// Storage is where a rule file keeps values between calls. One transaction is
// open at a time, in this process and in all others that share the storage, so
// that transactions are serializable by construction.
type Storage interface {
	// Begin opens the transaction. It waits for the one that is open to end, in
	// the order of arrival, until ctx ends. A queue that is full is an error at
	// once.
	Begin(ctx context.Context) (StorageTx, error)
}

// StorageTx is a transaction. It belongs to one goroutine at a time. Exactly
// one of Commit and Rollback ends it; a Rollback after that does nothing.
type StorageTx interface {
	// Get returns the value of a key, "" if there is none. What the transaction
	// put is seen.
	Get(key string) (string, error)

	// Put sets a value; "" deletes the key. Keys and values beyond the store's
	// bounds are an error.
	Put(key, value string) error

	// Flush makes durable what was put so far. The transaction stays open. What it
	// only read, of transactions before it, may not be durable before Commit.
	Flush(ctx context.Context) error

	// Commit makes durable what was put since the last Flush, and ends the
	// transaction. The next one may begin while that is under way, and sees what
	// was put; if it fails, the next one fails too. After an error nothing of it
	// is kept.
	Commit(ctx context.Context) error

	// Rollback ends the transaction and forgets what was put since the last Flush.
	Rollback()
}
