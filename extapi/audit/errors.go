package audit

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of a log that is in order.
var (
	// ErrClosed is the answer of a closed log.
	ErrClosed = errors.New("the audit log is closed")

	// ErrBusy means that too many entries wait for the disk. The entry was not
	// written.
	ErrBusy = errors.New("the audit log has too many entries waiting for the disk")

	// ErrBroken means that the log refuses everything until it is opened again,
	// since it can't be known what is on the disk.
	ErrBroken = errors.New("the audit log takes no more entries until kvclef is started again")

	// ErrLocked means that another process has the log open.
	ErrLocked = errors.New("the audit log is in use")
)

// DamageError says where a log is not what was written, and how.
type DamageError struct {
	File    string
	Line    int    // in that file, from 1; 0 if it is not about a line
	Offset  int64  // in bytes, of that line
	Seq     uint64 // of the entry that should be there; 0 if not known
	Problem string
}

// Error names the place, what is wrong there and the command that shows more.
func (e *DamageError) Error() string {
	var place []string
	if e.Line > 0 {
		place = append(place, fmt.Sprintf("line %d", e.Line))
	}
	if e.Line > 0 || e.Offset > 0 {
		place = append(place, fmt.Sprintf("byte %d", e.Offset))
	}
	if e.Seq > 0 {
		place = append(place, fmt.Sprintf("entry %d", e.Seq))
	}
	text := "audit log " + e.File
	if len(place) > 0 {
		text += " (" + strings.Join(place, ", ") + ")"
	}
	return text + ": " + e.Problem + "; `kvclef audit verify` checks the whole log"
}
