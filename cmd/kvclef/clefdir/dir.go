package clefdir

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"time"
)

// The names in a configuration directory.
const (
	seedFile       = "masterseed.json"
	configFile     = "config.json"
	storageFile    = "jsstorage.json"
	passwordsFile  = "credentials.json"
	vaultNameBytes = 10
)

// maxNames bounds the files of a folder that is looked through.
const maxNames = 10_000

// Dir is Clef's configuration directory, open for reading. Close it.
type Dir struct {
	root *os.Root
}

// Open opens a configuration directory, which must not be writable by others:
// who can write there can put another seed in the place of the first.
func Open(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s: give Clef's --configdir (its default is ~/.clef, on macOS ~/Library/Signer, on Windows %%APPDATA%%\\Signer)", path)
	case err != nil:
		return nil, fmt.Errorf("opening Clef's configuration directory %s: %w", path, cause(err))
	}
	info, err := root.Stat(".")
	if err == nil {
		err = checkFolder(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Dir{root: root}, nil
}

// Path returns the folder as it was named.
func (d *Dir) Path() string { return d.root.Name() }

// Close closes the folder.
func (d *Dir) Close() error { return d.root.Close() }

// Answers reports whether something listens at a place where Clef may have.
func Answers(ctx context.Context, network, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

// others returns the folders of other master seeds.
func (d *Dir) others(name string) (found []string, err error) {
	err = eachName(d.root, func(entry fs.DirEntry) {
		raw, err := hex.DecodeString(entry.Name())
		if entry.IsDir() && err == nil && len(raw) == vaultNameBytes && entry.Name() != name {
			found = append(found, entry.Name())
		}
	})
	return found, err
}

// eachName calls a function for what is in a folder, in no order.
func eachName(root *os.Root, do func(fs.DirEntry)) (err error) {
	folder, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("reading the folder %s: %w", root.Name(), cause(err))
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	entries, err := folder.ReadDir(maxNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the folder %s: %w", root.Name(), cause(err))
	}
	if len(entries) > maxNames {
		return fmt.Errorf("the folder %s has more than %d files: name another", root.Name(), maxNames)
	}
	for _, entry := range entries {
		do(entry)
	}
	return nil
}

func checkFolder(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&fs.FileMode(ownersToEdit) != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("the folder %s has mode %#o, so others can put files there: find out who did, then run chmod go-w %s", path, mode, path)
	}
	return nil
}
