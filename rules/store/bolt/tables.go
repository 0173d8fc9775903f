package bolt

import (
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// tables is the file within the writer's transaction.
type tables struct {
	state state
	now   int64 // of the transaction, in nanoseconds of Unix time; never before any that was seen

	changed bool
	lapsed  []rules.HoldID // holds whose windows have passed
	byName  map[string]*bbolt.Bucket
}

// newTables reads the state.
func newTables(tx *bbolt.Tx) (*tables, error) {
	t := &tables{byName: make(map[string]*bbolt.Bucket)}
	for _, name := range buckets() {
		if t.byName[name] = tx.Bucket([]byte(name)); t.byName[name] == nil {
			return nil, fmt.Errorf("%w: the bucket %q is missing", ErrCorrupt, name)
		}
	}
	var err error
	t.state, err = decodeState(t.byName[bucketMeta].Get([]byte(keyState)))
	return t, err
}

// get returns a value, nil if there is none. It is valid until the next change.
func (t *tables) get(bucket string, key []byte) []byte { return t.byName[bucket].Get(key) }

// put sets a value. Neither key nor value may be changed afterwards.
func (t *tables) put(bucket string, key, value []byte) error {
	t.forget(bucket, key)
	t.changed = true
	t.state.records++
	t.state.sum = t.state.sum.plus(recordDigest(bucket, key, value))
	return t.byName[bucket].Put(key, value)
}

// remove deletes a key, if it is there.
func (t *tables) remove(bucket string, key []byte) error {
	if !t.forget(bucket, key) {
		return nil
	}
	t.changed = true
	return t.byName[bucket].Delete(key)
}

// forget takes a record out of the digest.
func (t *tables) forget(bucket string, key []byte) bool {
	old := t.byName[bucket].Get(key)
	if old == nil {
		return false
	}
	t.state.records--
	t.state.sum = t.state.sum.minus(recordDigest(bucket, key, old))
	return true
}

// save writes the state, last.
func (t *tables) save() error {
	return t.byName[bucketMeta].Put([]byte(keyState), t.state.encode())
}
