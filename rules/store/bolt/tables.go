package bolt

import (
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// tables is the file within the writer's transaction.
type tables struct {
	tx    *bbolt.Tx
	state state
	now   int64 // of the transaction, in nanoseconds of Unix time; never before any that was seen

	kept, most size // of records: what there is, and what there may be

	changed bool
	lapsed  []rules.HoldID           // holds whose windows have passed
	byName  map[string]*bbolt.Bucket // those in use
}

// newTables reads the state.
func newTables(tx *bbolt.Tx) (*tables, error) {
	t := &tables{tx: tx, byName: make(map[string]*bbolt.Bucket)}
	record, err := t.get(bucketMeta, []byte(keyState))
	if err == nil {
		t.state, err = decodeState(record)
	}
	return t, err
}

// bucket opens a bucket, once.
func (t *tables) bucket(name string) (*bbolt.Bucket, error) {
	if bucket := t.byName[name]; bucket != nil {
		return bucket, nil
	}
	bucket, err := bucketOf(t.tx, name)
	if err == nil {
		t.byName[name] = bucket
	}
	return bucket, err
}

func bucketOf(tx *bbolt.Tx, name string) (*bbolt.Bucket, error) {
	bucket := tx.Bucket([]byte(name))
	if bucket == nil {
		return nil, fmt.Errorf("%w: the bucket %q is missing", ErrCorrupt, name)
	}
	return bucket, nil
}

// get returns a value, nil if there is none. It is valid until the next change.
func (t *tables) get(name string, key []byte) ([]byte, error) {
	bucket, err := t.bucket(name)
	if err != nil {
		return nil, err
	}
	return bucket.Get(key), nil
}

// put sets a value. Neither key nor value may be changed afterwards.
func (t *tables) put(name string, key, value []byte) error {
	bucket, err := t.bucket(name)
	if err != nil {
		return err
	}
	t.forget(name, key, bucket.Get(key))
	t.changed = true
	t.state.records++
	t.state.sum = t.state.sum.plus(recordDigest(name, key, value))
	return bucket.Put(key, value)
}

// remove deletes a key, if it is there.
func (t *tables) remove(name string, key []byte) error {
	bucket, err := t.bucket(name)
	if err != nil {
		return err
	}
	old := bucket.Get(key)
	if old == nil {
		return nil
	}
	t.forget(name, key, old)
	t.changed = true
	return bucket.Delete(key)
}

// forget takes a record out of the digest, unless it is nil.
func (t *tables) forget(name string, key, value []byte) {
	if value == nil {
		return
	}
	t.state.records--
	t.state.sum = t.state.sum.minus(recordDigest(name, key, value))
}

// save writes the state, last.
func (t *tables) save() error {
	bucket, err := t.bucket(bucketMeta)
	if err != nil {
		return err
	}
	t.state.tx = number(t.tx)
	return bucket.Put([]byte(keyState), t.state.encode())
}
