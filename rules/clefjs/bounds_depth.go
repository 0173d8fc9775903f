package clefjs

import "github.com/dop251/goja"

// maxNative is how deep built-ins may call each other, and functions of the file that call
// built-ins. The machine counts the calls of the file alone: an error whose message is
// itself calls none, and a stack that overflows ends the process.
const maxNative = 2 * maxCalls

// deeper calls what may come back to where it began.
func (b *bounds) deeper(call func() goja.Value) goja.Value {
	if b.depth >= maxNative {
		b.refuse("built-in functions call each other deeper than %d", maxNative)
	}
	b.depth++
	defer func() { b.depth-- }() // also where it throws
	return call()
}

// counted counts the calls of a built-in.
func (b *bounds) counted(object *goja.Object, name string) {
	b.replace(object, name, func(original native) native {
		return func(call goja.FunctionCall) goja.Value {
			return b.deeper(func() goja.Value { return original(call) })
		}
	})
}

// depths bounds how deep built-ins nest that call what they find in a value.
func (b *bounds) depths() {
	b.conversions()
	if b.words.has("toLocaleString") { // it calls toString
		b.counted(b.prototype("Object"), "toLocaleString")
	}
	if b.words.has("join") {
		b.counted(b.prototype("Array"), "toString")
	}
	if b.words.has("toISOString") {
		b.counted(b.prototype("Date"), "toJSON")
	}
}

// conversions counts conversions of objects to texts and numbers, by which nearly all
// built-ins come to others. All objects have this function of Object's, and it does what
// the engine does without it.
func (b *bounds) conversions() {
	convert := func(call goja.FunctionCall) goja.Value {
		object, ok := call.This.(*goja.Object)
		if !ok {
			return call.This
		}
		return b.deeper(func() goja.Value { return b.converted(object, call.Argument(0)) })
	}
	b.symbolic(b.prototype("Object"), goja.SymToPrimitive, convert)
	if !b.words.has("Date") { // it has one of its own
		return
	}
	date := b.prototype("Date")
	own, ok := goja.AssertFunction(date.GetSymbol(goja.SymToPrimitive))
	if !ok {
		return
	}
	b.symbolic(date, goja.SymToPrimitive, func(call goja.FunctionCall) goja.Value {
		return b.deeper(func() goja.Value {
			value, err := own(call.This, call.Arguments...)
			check(err)
			return value
		})
	})
}

// converted is OrdinaryToPrimitive of the language.
func (b *bounds) converted(object *goja.Object, hint goja.Value) goja.Value {
	names := [2]string{"valueOf", "toString"}
	if hint.String() == "string" {
		names = [2]string{"toString", "valueOf"}
	}
	for _, name := range names {
		function, ok := goja.AssertFunction(object.Get(name))
		if !ok {
			continue
		}
		value, err := function(object)
		check(err)
		if _, again := value.(*goja.Object); !again {
			return value
		}
	}
	panic(b.vm.NewTypeError("Cannot convert object to primitive value"))
}

// symbolic sets a function that is named by a symbol. It can be written: else no object
// that inherits it could have its own by an assignment.
func (b *bounds) symbolic(object *goja.Object, name *goja.Symbol, function native) {
	value := b.vm.ToValue((func(goja.FunctionCall) goja.Value)(function))
	check(object.DefineDataPropertySymbol(name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}
