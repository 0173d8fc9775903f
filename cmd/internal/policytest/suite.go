// Package policytest tries policies on the cases that stand beside them: each is
// a request or several, with what must be decided.
//
// Requests take the way that they take in a signer, see the package rulestest.
// Limits are kept in memory, and the clock is that of the case. The package never
// reaches a vault, a node or a data directory.
package policytest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
)

// Suffix ends the name of a file of cases: those of treasury.yaml stand in
// treasury.test.yaml.
const Suffix = ".test.yaml"

// maxCases bounds the cases of a file.
const maxCases = 10_000

// Suite is a file of cases.
type Suite struct {
	File  string
	Cases []Case
}

// Case is one of them.
type Case struct {
	Line int // of the file, where it begins
	*rulestest.Case
}

// FileOf returns where the cases of a policy stand.
func FileOf(policy string) string {
	for _, extension := range []string{".yaml", ".yml"} {
		if name, found := strings.CutSuffix(policy, extension); found {
			return name + Suffix
		}
	}
	return policy + Suffix
}

// ReadFile reads a file of cases. In the place of addresses the names of the
// policy may stand. The error has all cases that are wrong.
func ReadFile(path string, names Names) (*Suite, error) {
	source, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: it has the cases of the policy, requests with what must be decided; begin with cases: [{request: {method: account_list, params: []}, expect: {verdict: approve}}], "+
			"and see kvclef policy test --help: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	return Read(path, source, names)
}

// readFile reads a file of cases.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	source, err := io.ReadAll(io.LimitReader(file, rulestest.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(source) > rulestest.MaxFile {
		return nil, fmt.Errorf("%s: has more than %d bytes", path, rulestest.MaxFile)
	}
	return source, nil
}

// Read reads cases.
func Read(path string, source []byte, names Names) (*Suite, error) {
	root, err := parse(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	suite := &Suite{File: path}
	reader := reader{names: names}
	failures := reader.document(root)
	for i, node := range reader.cases {
		if i == maxCases {
			failures = append(failures, at(node, "more than %d cases", maxCases))
			break
		}
		c, err := reader.read(node)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		suite.Cases = append(suite.Cases, Case{Line: node.Line, Case: c})
	}
	if len(failures) == 0 && len(suite.Cases) == 0 {
		failures = append(failures, errors.New("1: no cases: a test that tests nothing does not pass"))
	}
	for i, failure := range failures {
		failures[i] = fmt.Errorf("%s:%w", path, failure)
	}
	return suite, errors.Join(failures...)
}

// ReadCase reads a file that is one case, without a list of them.
func ReadCase(path string, names Names) (*rulestest.Case, error) {
	source, err := readFile(path)
	if err != nil {
		return nil, err
	}
	root, err := parse(source)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case member(root, "cases") != nil:
		return nil, fmt.Errorf("%s: has a list of cases, which kvclef policy test tries; give a file that is one case", path)
	}
	reader := reader{names: names}
	c, err := reader.read(root)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return c, nil
}

// at is an error at a node: line: text.
func at(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%d: %w", node.Line, fmt.Errorf(format, args...))
}
