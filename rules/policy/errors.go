package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds the problems that are told of one file.
const maxProblems = 100

// Problem is one error in a policy file.
type Problem struct {
	Line, Column int // from 1
	Text         string
}

// Error is everything that is wrong with a policy file.
type Error struct {
	File     string
	Problems []Problem // in the order of the file
	More     int       // others that were left out
}

// newError sorts what was noted, and leaves out what is too much.
func newError(file string, problems []Problem) *Error {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.Compact(problems)
	e := &Error{File: file, Problems: problems}
	if len(problems) > maxProblems {
		e.Problems, e.More = problems[:maxProblems], len(problems)-maxProblems
	}
	return e
}

// Error lists the problems, one a line: file:line:column: text.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", e.File, p.Line, p.Column, p.Text))
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", e.File, e.More))
	}
	return strings.Join(lines, "\n")
}
