package clefjs

import "fmt"

// Check compiles a rule file and runs nothing of it. An error is as that of [Load].
func Check(name string, source []byte) error {
	if _, err := compileLibrary(); err != nil { // before the file, as Load does: it sets a limit
		return fmt.Errorf("compiling bignumber.js: %w", err)
	}
	if _, err := compileInTime(printable(name), source, compileWithin); err != nil {
		return fmt.Errorf("loading rule file: %w", err)
	}
	return nil
}
