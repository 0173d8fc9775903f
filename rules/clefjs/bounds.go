package clefjs

import (
	"fmt"

	"github.com/dop251/goja"
)

// Bounds of what one built-in function may be asked to do. A built-in does not
// notice an interrupt, so that what is beyond these throws a RangeError. They
// are far above what a rule file needs, and about what fits in the memory limit.
const (
	maxElements = 1 << 20  // of an array, or of anything with a length
	maxText     = 16 << 20 // UTF-16 units of a text that is made
	maxDepth    = 256      // of nested values that are written, read or joined
	maxPattern  = 4 << 10  // bytes of a regular expression that is made at run time
)

// bounds puts the built-in functions that a file may use behind checks.
type bounds struct {
	vm      *goja.Runtime
	machine *machine
	words   *vocabulary
	open    []*goja.Object // the arrays that are being joined
	depth   int            // of built-ins that are counted
}

// install replaces the built-ins that could run or allocate without end.
func (b *bounds) install() {
	b.arrays()
	b.objects()
	b.strings()
	b.regexps()
	b.json()
	b.calls()
	b.code()
	b.proxies()
	b.binary()
	b.iterators()
	b.depths()
}

// refuse throws a RangeError.
func (b *bounds) refuse(format string, args ...any) {
	exception, err := b.vm.New(b.vm.Get("RangeError"), b.vm.ToValue(fmt.Sprintf(format, args...)))
	check(err)
	panic(exception)
}

// goOn throws if the script is to end. Loops of ours call it.
func (b *bounds) goOn() {
	if b.machine.running.interrupted() {
		b.refuse("interrupted")
	}
}

// prototype returns the prototype of a global constructor.
func (b *bounds) prototype(global string) *goja.Object {
	return b.vm.Get(global).ToObject(b.vm).Get("prototype").ToObject(b.vm)
}

// native is a built-in, called with its own this.
type native func(call goja.FunctionCall) goja.Value

// replace puts a function in the place of a built-in of an object, and hands
// it the built-in.
func (b *bounds) replace(object *goja.Object, name string, with func(original native) native) goja.Value {
	function, ok := goja.AssertFunction(object.Get(name))
	if !ok {
		return nil
	}
	replaced := with(func(call goja.FunctionCall) goja.Value {
		value, err := function(call.This, call.Arguments...)
		check(err)
		return value
	})
	value := b.vm.ToValue((func(goja.FunctionCall) goja.Value)(replaced))
	check(object.DefineDataProperty(name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return value
}

// before makes a check ahead of a built-in.
func (b *bounds) before(object *goja.Object, name string, ahead func(call goja.FunctionCall)) goja.Value {
	return b.replace(object, name, func(original native) native {
		return func(call goja.FunctionCall) goja.Value {
			ahead(call)
			return original(call)
		}
	})
}

// beforeEach makes a check ahead of the built-ins of an object that the file
// may use.
func (b *bounds) beforeEach(object *goja.Object, names []string, ahead func(call goja.FunctionCall)) {
	for _, name := range names {
		if b.words.has(name) {
			b.before(object, name, ahead)
		}
	}
}

// length returns the length that a built-in would see of a value; 0 of what
// has none.
func (b *bounds) length(value goja.Value) float64 {
	switch value := value.(type) {
	case goja.String:
		return float64(value.Length())
	case *goja.Object:
		if length := value.Get("length"); length != nil {
			return length.ToFloat()
		}
	}
	return 0
}

// elements refuses a value of too many elements.
func (b *bounds) elements(value goja.Value) int {
	length := b.length(value)
	if length > maxElements {
		b.refuse("a length of %.0f: built-in functions take at most %d", length, maxElements)
	}
	return int(max(length, 0))
}

// text refuses a text that would be too long.
func (b *bounds) text(units float64) {
	if units > maxText {
		b.refuse("a text of %.0f characters: at most %d can be made", units, maxText)
	}
}
