package clefjs

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// maxShown is how many bytes of a text that a script made are shown.
const maxShown = 256

// failure is an error of a script: what it is, in words, and where.
type failure struct {
	text  string
	where string // file:line:column, and the function
	err   error
}

func (f *failure) Error() string { return f.where + ": " + f.text }
func (f *failure) Unwrap() error { return f.err }

// described turns an error of the machine into a failure. It can run the
// file's code, and so belongs inside the guard.
func described(m *machine, err error) error {
	var exception *goja.Exception
	if !errors.As(err, &exception) {
		return err
	}
	text := "an exception that can't be shown"
	if value := exception.Value(); value != nil {
		if another := m.vm.Try(func() { text = "exception: " + clip(value.String()) }); another != nil {
			text = "an exception that can't be shown"
		}
	}
	return &failure{text: text, where: m.ruleset.place(exception.Stack()), err: err}
}

// explain makes a text for people of an error of the guard or the machine:
// where, and what.
func (r *Ruleset) explain(err error) error {
	var (
		known     *failure
		exception *goja.Exception
		stopped   *goja.InterruptedError
		overflow  *goja.StackOverflowError
		limit     stoppedError
	)
	switch {
	case errors.As(err, &limit):
		where := r.name
		if errors.As(limit.at, &stopped) {
			where = r.place(stopped.Stack())
		} else if errors.As(limit.at, &exception) {
			where = r.place(exception.Stack())
		}
		return &failure{text: "stopped: " + limit.cause.Error(), where: where, err: err}
	case errors.Is(err, errStuck):
		return &failure{text: "stopped: " + err.Error(), where: r.name, err: err}
	case errors.As(err, &overflow):
		return &failure{text: fmt.Sprintf("stopped: its calls nest deeper than %d", maxCalls), where: r.place(overflow.Stack()), err: err}
	case errors.As(err, &known):
		return known
	case errors.As(err, &exception):
		return &failure{text: "exception", where: r.place(exception.Stack()), err: err}
	default:
		return &failure{text: printable(cut(err.Error(), 4*maxShown)), where: r.name, err: err}
	}
}

// place returns the innermost place of a stack that is in the rule file.
func (r *Ruleset) place(stack []goja.StackFrame) string {
	for _, frame := range stack {
		if frame.SrcName() != r.name {
			continue
		}
		at := frame.Position()
		place := fmt.Sprintf("%s:%d:%d", r.name, at.Line, at.Column)
		if name := frame.FuncName(); name != "" && name != "<anonymous>" {
			place += " in " + clip(name)
		}
		return place
	}
	return r.name
}

// printable escapes what a terminal would act on instead of showing it.
func printable(text string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var shown strings.Builder
	for _, r := range text {
		if hidden(r) {
			fmt.Fprintf(&shown, `\u%04x`, r)
		} else {
			shown.WriteRune(r)
		}
	}
	return shown.String()
}

// clip bounds a text that a script made, and makes it fit for a terminal.
func clip(text string) string { return printable(cut(text, maxShown)) }

// cut cuts a text to a number of bytes, at a character, and says so.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
