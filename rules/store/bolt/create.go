package bolt

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	bbolt "go.etcd.io/bbolt"
)

const fileMode = 0o600

// Create makes an empty store, for its owner alone. The error is [ErrExists]
// if there is a file, whatever is in it.
func Create(path string) error {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:        lockTimeout,
		NoFreelistSync: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(path, flag|os.O_EXCL, mode)
		},
	})
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w: a store is never made over another", path, ErrExists)
	}
	if err == nil {
		err = errors.Join(initialise(db), db.Close())
	} else if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("making the store: %w", err)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("making the store: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// initialise writes the buckets and the format.
func initialise(db *bbolt.DB) error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	record, err := json.Marshal(format{
		Format:  formatName,
		Version: formatVersion,
		ID:      hex.EncodeToString(id[:]),
		Created: time.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	return guard(func() error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range buckets(formatVersion) {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			if err := tx.Bucket([]byte(bucketMeta)).Put([]byte(keyState), state{tx: number(tx)}.encode()); err != nil {
				return err
			}
			t, err := newTables(tx)
			if err != nil {
				return err
			}
			if err := t.put(bucketMeta, []byte(keyFormat), record); err != nil {
				return err
			}
			return t.save()
		})
	})
}

// syncDir makes a new name in a directory durable. Windows has no such call.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
