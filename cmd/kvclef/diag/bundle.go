// Package diag makes what a bug report needs, and can be shown to anybody.
//
// It goes by lists of what may be told: what is on none is left out, whatever it is. It
// never reads a file that holds a secret, and never writes the value of a variable, of
// the store, or of a request.
package diag

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

// Section is a part of a report.
type Section struct {
	Name string // of its file in an archive
	Text []byte
}

// WriteText writes sections for people, one after the other.
func WriteText(w io.Writer, sections []Section) error {
	for _, s := range sections {
		if _, err := fmt.Fprintf(w, "===== %s\n%s\n", s.Name, s.Text); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

// WriteArchive writes sections as a tar.gz with a folder in it.
func WriteArchive(w io.Writer, folder string, now time.Time, sections []Section) error {
	packed := gzip.NewWriter(w)
	archive := tar.NewWriter(packed)
	var failures []error
	for _, s := range sections {
		header := &tar.Header{Name: folder + "/" + s.Name, Mode: 0o600, Size: int64(len(s.Text)), ModTime: now}
		err := archive.WriteHeader(header)
		if err == nil {
			_, err = archive.Write(s.Text)
		}
		failures = append(failures, err)
	}
	if err := errors.Join(append(failures, archive.Close(), packed.Close())...); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
