package main

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
)

// withoutCases leaves files of cases out, which a pattern such as *.yaml names
// too.
func withoutCases(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool { return strings.HasSuffix(file, policytest.Suffix) })
}
