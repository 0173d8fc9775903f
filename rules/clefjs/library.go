package clefjs

import (
	_ "embed" // bignumber.js

	"github.com/dop251/goja"
)

// bigNumber is bignumber.js 2.0.3, the library that Clef preloads, as it was
// published (MIT Expat licence, beside it).
//
//go:embed bignumber/bignumber.js
var bigNumber string

// library holds what is loaded before the file.
type library struct {
	bigNumber *goja.Program
	eager     bool // BigNumber is evaluated ahead of the call
}

// install adds the library to a machine.
func (l *library) install(vm *goja.Runtime) error {
	if l.eager {
		_, err := vm.RunProgram(l.bigNumber)
		return err
	}
	// Evaluating the library, or an assignment, makes it a plain global.
	global := vm.GlobalObject()
	plain := func(value goja.Value) {
		check(global.DefineDataProperty("BigNumber", value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
	}
	get := func(goja.FunctionCall) goja.Value {
		plain(goja.Undefined())
		if _, err := vm.RunProgram(l.bigNumber); err != nil {
			panic(err)
		}
		return global.Get("BigNumber")
	}
	set := func(call goja.FunctionCall) goja.Value {
		plain(call.Argument(0))
		return goja.Undefined()
	}
	return global.DefineAccessorProperty("BigNumber", vm.ToValue(get), vm.ToValue(set), goja.FLAG_TRUE, goja.FLAG_TRUE)
}

// check throws an error of the machine into the script.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
