package clefjs

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// machine is a JavaScript machine for one call. It is used once.
type machine struct {
	vm      *goja.Runtime
	ruleset *Ruleset
	parse   goja.Callable // JSON.parse as it was before the file ran

	// session is the call that the machine serves; nil while it is prepared,
	// and when it is left behind.
	session atomic.Pointer[session]
	running *execution
	console console
	impure  bool // the top level used the storage or the clock
	loading bool // the top level runs
}

// newMachine returns a machine in which the file has not run yet.
func (r *Ruleset) newMachine() *machine {
	m := &machine{vm: goja.New(), ruleset: r}
	m.vm.SetMaxCallStackSize(maxCalls)
	m.vm.SetParserOptions(parser.WithDisableSourceMaps)
	m.vm.SetTimeSource(func() time.Time {
		m.impure = m.impure || m.loading
		return r.options.Now()
	})
	return m
}

// load gives the machine its globals and runs the file's top level.
func (m *machine) load() error {
	m.loading = true
	defer func() { m.loading = false }()
	if err := m.equip(); err != nil {
		return fmt.Errorf("preparing a machine: %w", err)
	}
	_, err := m.vm.RunProgram(m.ruleset.program)
	return err
}

// equip gives the machine its globals.
func (m *machine) equip() error {
	exception := m.vm.Try(func() {
		m.parse, _ = goja.AssertFunction(m.vm.Get("JSON").ToObject(m.vm).Get("parse"))
		(&bounds{vm: m.vm, machine: m, words: m.ruleset.words}).install()
		m.installConsole()
		m.installStorage()
		check(m.ruleset.library.install(m.vm))
	})
	if exception == nil { // of a type of its own: not to be returned as it is
		return nil
	}
	return exception
}

// enter makes the machine serve a call. What the top level wrote to the
// console ahead of it is written now.
func (m *machine) enter(s *session) {
	m.session.Store(s)
	m.console.flush(m.ruleset)
}

// leave cuts a machine that could not be stopped off from its call.
func (m *machine) leave() { m.session.Store(nil) }

// function returns a function that the file defines.
func (m *machine) function(name string) (goja.Callable, bool) {
	value, err := m.vm.RunProgram(m.ruleset.lookups[name])
	if err != nil {
		return nil, false
	}
	return goja.AssertFunction(value)
}

// prepare makes a machine ahead of a call; nil if that is not possible.
func (r *Ruleset) prepare() *machine {
	m := r.newMachine()
	if err := r.guard.run(context.Background(), m, m.load); err != nil || m.impure {
		// The call makes its own, and says what is wrong.
		return nil
	}
	return m
}
