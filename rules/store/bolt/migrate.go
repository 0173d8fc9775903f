package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	bbolt "go.etcd.io/bbolt"
)

// migrate brings a store of an older version to this one, in one transaction:
// it is done or it is not. An older kvclef does not open the store afterwards.
func migrate(db *bbolt.DB, found contents, at func(point string)) error {
	return guard(func() error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // ErrTxClosed after a commit
		for _, name := range buckets(formatVersion) {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		t, err := newTables(tx)
		if err != nil {
			return err
		}
		if found.format.Version == firstVersion {
			if err := t.moveCharges(); err != nil {
				return err
			}
		}
		found.format.Version = formatVersion
		record, err := json.Marshal(found.format)
		if err != nil {
			return err
		}
		if err := errors.Join(t.put(bucketMeta, []byte(keyFormat), record), t.keepNoLogs()); err != nil {
			return err
		}
		if err := t.save(); err != nil {
			return err
		}
		at("store.before-commit")
		if err := tx.Commit(); err != nil {
			return err
		}
		at("store.after-commit")
		return nil
	})
}

// keepNoLogs has a store that may have been used with audit logs and remembers none
// differ from one that was used with none.
func (t *tables) keepNoLogs() error {
	record, err := t.get(bucketMeta, []byte(keyLogHeads))
	if err != nil || record != nil {
		return err
	}
	return t.put(bucketMeta, []byte(keyLogHeads), []byte("[]"))
}

// moveCharges moves those of version 1, which have no slots, to the queue.
func (t *tables) moveCharges() error {
	bucket, err := t.bucket(bucketCharges)
	if err != nil {
		return err
	}
	type record struct{ key, value []byte }
	var moved []record
	cursor := bucket.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		c, err := decodeFirstCharge(value)
		if err != nil {
			return fmt.Errorf("%w: key %x: %w", ErrCorrupt, key, err)
		}
		t.forget(bucketCharges, key, value)
		moved = append(moved, record{bytes.Clone(key), c.encode()})
	}
	for _, r := range moved {
		if err := t.put(bucketQueue, r.key, r.value); err != nil {
			return err
		}
	}
	delete(t.byName, bucketCharges)
	return t.tx.DeleteBucket([]byte(bucketCharges))
}
