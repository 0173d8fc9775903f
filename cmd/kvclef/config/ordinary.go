package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadOrdinary reads a file of at most so many bytes, and tells its mode. A pipe that
// nobody writes to would never answer, and is refused.
func ReadOrdinary(path string, most int64) (data []byte, mode fs.FileMode, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no ordinary file: name one", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// The mode is that of the file that is read, not of one put in its place.
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	if data, err = io.ReadAll(io.LimitReader(file, most+1)); err != nil {
		return nil, 0, err
	}
	if int64(len(data)) > most {
		return nil, 0, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, info.Mode(), nil
}
