package clefjs

import (
	"errors"
	"fmt"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// Bounds of source text. The parser and the compiler recurse, and a Go stack
// that overflows ends the process: with 256 KiB, constructs that nest without
// brackets ("a=>a=>…" is the worst) use less than half of the 512 MiB that a
// stack can have, and brackets, the costliest, are counted.
const (
	maxSource    = 256 << 10
	maxEvaluated = 16 << 10 // of eval and Function
	maxNesting   = 256
)

// compileWithin is how long a file may take to be compiled: those that people
// write take milliseconds. But the time doubles with each term of a chain of
// constants ("1&&1&&1…", of which 25 take seconds) and with each default value
// of nested arrow functions, and grows with the square of long chains of
// operators. Neither the parser nor the compiler can be stopped: what has not
// ended runs on, until the process that could not load the file ends. Within a
// call, eval and Function are under its time limit.
const compileWithin = 10 * time.Second

// compiled is a rule file as a program, and what names it may use.
type compiled struct {
	program *goja.Program
	words   *vocabulary
}

// compileInTime compiles a rule file within a time limit.
func compileInTime(name string, source []byte, limit time.Duration) (compiled, error) {
	type result struct {
		compiled
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.program, r.words, r.err = compile(name, source)
		done <- r
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.compiled, r.err
	case <-timer.C:
		return compiled{}, fmt.Errorf("%s: it takes more than %s to compile: use shorter chains of operators and of arrow functions", name, limit)
	}
}

// checkSource refuses text that is too long, or nests too deep, to be parsed.
// Brackets in strings and comments count as well: not to know them is what
// keeps the check simple.
func checkSource(source string, limit int) error {
	if len(source) > limit {
		return fmt.Errorf("the source has %d bytes: at most %d are read", len(source), limit)
	}
	depth, line, lineStart := 0, 1, 0
	for i := range len(source) {
		switch source[i] {
		case '\n':
			line, lineStart = line+1, i+1
		case '(', '[', '{':
			if depth++; depth > maxNesting {
				return fmt.Errorf("%d:%d: brackets nest deeper than %d", line, i-lineStart+1, maxNesting)
			}
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return nil
}

// compile makes a program of a rule file, and tells what names it may use.
// Source maps are not read: they would be files that nobody attested.
func compile(name string, source []byte) (*goja.Program, *vocabulary, error) {
	text := string(source)
	if err := checkSource(text, maxSource); err != nil {
		return nil, nil, fmt.Errorf("%s:%w", name, err)
	}
	tree, err := parser.ParseFile(nil, name, text, 0, parser.WithDisableSourceMaps)
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		at := list[0].Position
		return nil, nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, clip(list[0].Message))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	words := newVocabulary(text, tree)
	if literal := words.bigInt; literal != nil {
		at := tree.File.Position(int(literal.Idx) - tree.File.Base())
		return nil, nil, fmt.Errorf("%s:%d:%d: BigInt %s: rule files have no BigInt, as in Clef: use BigNumber", name, at.Line, at.Column, clip(literal.Literal))
	}
	program, err := goja.CompileAST(tree, false)
	var syntax *goja.CompilerSyntaxError
	if errors.As(err, &syntax) && syntax.File != nil {
		at := syntax.File.Position(syntax.Offset)
		return nil, nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, clip(syntax.Message))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return program, words, nil
}
