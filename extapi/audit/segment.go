package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The log at PATH is the active segment. Full ones stand beside it, named after
// their first entry: PATH.00000000000000000001.
const segmentDigits = 20

// File names beside the log.
const (
	lockSuffix       = ".lock"       // held by the one writer; its text is the writer's process id
	checkpointSuffix = ".checkpoint" // the newest checkpoint
	journalSuffix    = ".journal"    // while it is open, and after a crash
	cutSuffix        = ".cut-"       // what was cut off, with the number of the entry in its place
)

// segmentName is the name of a full segment.
func segmentName(path string, first uint64) string {
	return fmt.Sprintf("%s.%0*d", path, segmentDigits, first)
}

// segments returns the first entries of the full segments, in order.
func segments(path string) ([]uint64, error) {
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listing the audit log's segments: %w", err)
	}
	var firsts []uint64
	for _, file := range files {
		digits, ok := strings.CutPrefix(file.Name(), filepath.Base(path)+".")
		if !ok || len(digits) != segmentDigits || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		first, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || first == 0 {
			return nil, &DamageError{File: filepath.Join(filepath.Dir(path), file.Name()), Problem: "no segment can have that name"}
		}
		firsts = append(firsts, first)
	}
	slices.Sort(firsts)
	return firsts, nil
}

// after returns the segments that begin after an entry.
func after(firsts []uint64, seq uint64) []uint64 {
	i, _ := slices.BinarySearch(firsts, seq+1)
	return firsts[i:]
}

// regular refuses what can't be a log before it is opened: a pipe would never
// answer, and a link would be renamed in place of the file.
func regular(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at the audit log: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("audit log %s is %s: name an ordinary file", path, info.Mode().Type())
	}
	return nil
}
