package clefjs

import (
	"errors"
	"fmt"

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
