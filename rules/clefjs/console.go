package clefjs

import (
	"strings"

	"github.com/dop251/goja"
)

// Bounds of what one call writes to the console, in bytes.
const (
	maxLine   = 4 << 10
	maxOutput = 64 << 10
)

// line is what one call of console.log or console.error writes.
type line struct{ level, text string }

// console holds what a machine writes before it serves a call, and counts.
type console struct {
	written int
	early   []line
}

// installConsole defines console.log and console.error, and nothing else.
func (m *machine) installConsole() {
	object := m.vm.NewObject()
	for _, level := range []string{"log", "error"} {
		check(object.Set(level, func(call goja.FunctionCall) goja.Value {
			m.write(level, call.Arguments)
			return goja.Undefined()
		}))
	}
	check(m.vm.Set("console", object))
}

// write writes the arguments as text with a space between, as Clef does.
func (m *machine) write(level string, arguments []goja.Value) {
	var text strings.Builder
	for i, argument := range arguments {
		if i > 0 {
			text.WriteByte(' ')
		}
		// What can't be shown changes no decision, as in Clef.
		if exception := m.vm.Try(func() { text.WriteString(argument.String()) }); exception != nil {
			text.WriteString("[a value that can't be shown]")
		}
		if text.Len() > maxLine {
			break
		}
	}
	written := line{level, cut(text.String(), maxLine)}
	if m.console.written > maxOutput {
		return
	}
	m.console.written += len(written.text) + 1
	if m.console.written > maxOutput {
		written = line{"error", "the console's output is cut off here"}
	}
	if m.session.Load() == nil {
		m.console.early = append(m.console.early, written)
		return
	}
	m.ruleset.tell(written)
}

// flush writes what was held back.
func (c *console) flush(r *Ruleset) {
	for _, line := range c.early {
		r.tell(line)
	}
	c.early = nil
}

// tell hands a line to whoever wants it. A script knows no context.
func (r *Ruleset) tell(l line) {
	if r.options.Console != nil {
		r.options.Console(l.level, l.text)
		return
	}
	log := r.options.Logger.With("ruleset", r.name, "console", l.level, "text", l.text)
	if l.level == "error" {
		log.Warn("Rule file console")
		return
	}
	log.Info("Rule file console")
}
