package clefjs

import (
	"errors"
	"fmt"

	"github.com/dop251/goja"
)

// errEarly ends the preparation of a machine whose file uses the storage only
// now and then in its top level.
var errEarly = errors.New("the top level uses the storage: the call runs it")

// installStorage defines storage.get and storage.put.
func (m *machine) installStorage() {
	object := m.vm.NewObject()
	check(object.Set("get", func(call goja.FunctionCall) goja.Value {
		key := call.Argument(0).String()
		if key == "" {
			return m.vm.ToValue("")
		}
		var value string
		m.store("get", func(s *session) (err error) {
			value, err = s.get(key)
			return err
		})
		return m.vm.ToValue(value)
	}))
	check(object.Set("put", func(call goja.FunctionCall) goja.Value {
		key, value := call.Argument(0).String(), call.Argument(1).String()
		if key != "" {
			m.store("put", func(s *session) error { return s.put(key, value) })
		}
		return goja.Null()
	}))
	check(m.vm.Set("storage", object))
}

// store uses the storage of the call. Waiting for it does not count against
// the time limit. A failure is thrown into the script.
func (m *machine) store(operation string, use func(*session) error) {
	m.impure = m.impure || m.loading
	s := m.session.Load()
	if s == nil {
		m.running.stop(errEarly)
		panic(m.vm.NewGoError(errEarly))
	}
	m.running.clock.pause()
	err := use(s)
	m.running.clock.start()
	if err != nil {
		panic(m.vm.NewGoError(fmt.Errorf("storage.%s: %w", operation, err)))
	}
}
