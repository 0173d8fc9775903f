package main

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
	bbolt "go.etcd.io/bbolt"
)

// cmdStored writes a store that a kvclef of an older version of the format made:
// stored NAME FILE.
func cmdStored(ts *testscript.TestScript, _ bool, args []string) {
	packed, err := os.Open("../../rules/store/bolt/testdata/" + args[0] + ".db.gz")
	ts.Check(err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	ts.Check(err)
	data, err := io.ReadAll(unpacked)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o600))
}

// cmdNewer makes a store one of a kvclef to come: newer FILE.
func cmdNewer(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(asNewer(ts.MkAbs(args[0])))
}

func asNewer(path string) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("kvclef"))
		record := regexp.MustCompile(`"version":\d+,`).ReplaceAll(bucket.Get([]byte("format")), []byte(`"version":99,`))
		return bucket.Put([]byte("format"), record)
	})
	return errors.Join(err, db.Close())
}
