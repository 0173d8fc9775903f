package extapi

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// readOrdinary reads a file of at most so many bytes. The check, which may be nil, is of
// the file that is read, not of one put in its place.
func readOrdinary(path string, most int64, check func(string, fs.FileInfo) error) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path) // opening a pipe would wait
	}
	file, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if check != nil {
		if err := check(path, info); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return text, nil
}
