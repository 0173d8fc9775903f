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
	data, info, err := readOrdinary(path, most)
	if err != nil {
		return nil, 0, err
	}
	return data, info.Mode(), nil
}

func readOrdinary(path string, most int64) (data []byte, info fs.FileInfo, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no ordinary file: name one", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// The mode is that of the file that is read, not of one put in its place.
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if data, err = io.ReadAll(io.LimitReader(file, most+1)); err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > most {
		return nil, nil, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, info, nil
}
