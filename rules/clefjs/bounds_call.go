package clefjs

import (
	"regexp"

	"github.com/dop251/goja"
)

// calls bounds how many arguments a function can be given at once, and how deep such
// calls nest.
func (b *bounds) calls() {
	if !b.words.has("apply", "Reflect") {
		return
	}
	function, reflection := b.prototype("Function"), b.vm.Get("Reflect").ToObject(b.vm)
	b.before(function, "apply", func(call goja.FunctionCall) { b.elements(call.Argument(1)) })
	b.before(reflection, "apply", func(call goja.FunctionCall) { b.elements(call.Argument(2)) })
	b.before(reflection, "construct", func(call goja.FunctionCall) { b.elements(call.Argument(1)) })
	b.counted(function, "apply")
	b.counted(reflection, "apply")
	b.counted(reflection, "construct")
}

// bigLiteral is a number that could be a BigInt in evaluated text.
var bigLiteral = regexp.MustCompile(`[0-9a-fA-F]n\b`)

// code bounds text that becomes code, and removes BigInt, which Clef does not
// have: one of its operators can allocate without end.
func (b *bounds) code() {
	global := b.vm.GlobalObject()
	if b.words.has("BigInt", "BigUint") {
		for _, name := range []string{"BigInt", "BigInt64Array", "BigUint64Array"} {
			check(global.Delete(name))
		}
		view := b.prototype("DataView")
		for _, name := range []string{"getBigInt64", "getBigUint64", "setBigInt64", "setBigUint64"} {
			check(view.Delete(name))
		}
	}
	if !b.words.has("eval", "Function", "constructor") {
		return
	}
	b.before(global, "eval", func(call goja.FunctionCall) { b.evaluated(call.Arguments) })
	constructor := b.guarded("Function", b.evaluated)
	check(b.prototype("Function").DefineDataProperty("constructor", constructor, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// evaluated refuses text that can't be parsed safely.
func (b *bounds) evaluated(arguments []goja.Value) {
	for _, argument := range arguments {
		text, ok := argument.(goja.String)
		if !ok {
			continue
		}
		if err := checkSource(text.String(), maxEvaluated); err != nil {
			b.refuse("evaluated text: %s", err)
		}
		if bigLiteral.MatchString(text.String()) {
			b.refuse("evaluated text: rule files have no BigInt")
		}
	}
}

// guarded makes a check ahead of a global constructor, called with or without
// new, and returns what takes its place.
func (b *bounds) guarded(name string, ahead func(arguments []goja.Value)) goja.Value {
	original := b.vm.Get(name).ToObject(b.vm)
	call, _ := goja.AssertFunction(original)
	construct, ok := goja.AssertConstructor(original)
	if !ok {
		return original
	}
	proxy := b.vm.ToValue(b.vm.NewProxy(original, &goja.ProxyTrapConfig{
		Apply: func(_ *goja.Object, this goja.Value, arguments []goja.Value) goja.Value {
			ahead(arguments)
			value, err := call(this, arguments...)
			check(err)
			return value
		},
		Construct: func(_ *goja.Object, arguments []goja.Value, target *goja.Object) *goja.Object {
			ahead(arguments)
			object, err := construct(target, arguments...)
			check(err)
			return object
		},
	}))
	check(b.vm.GlobalObject().DefineDataProperty(name, proxy, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	b.instances(original, proxy)
	return proxy
}

// instances makes instanceof work with a constructor behind a proxy, which the
// engine refuses to take for a function there.
func (b *bounds) instances(original *goja.Object, proxy goja.Value) {
	has, ok := goja.AssertFunction(b.prototype("Function").GetSymbol(goja.SymHasInstance))
	if !ok {
		return
	}
	instance := func(call goja.FunctionCall) goja.Value {
		this := call.This
		if this.SameAs(proxy) { // not a class that extends it
			this = original
		}
		value, err := has(this, call.Argument(0))
		check(err)
		return value
	}
	check(original.DefineDataPropertySymbol(goja.SymHasInstance, b.vm.ToValue(instance), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
}

// binary bounds the constructors for binary data, and the text that is made of it.
func (b *bounds) binary() {
	joins := false
	for _, name := range []string{
		"ArrayBuffer", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
		"Int32Array", "Uint32Array", "Float32Array", "Float64Array",
	} {
		if !b.words.has(name) {
			continue
		}
		if name != "ArrayBuffer" && !joins { // all have it of one prototype
			joins = true
			b.before(b.prototype(name).Prototype(), "join", func(call goja.FunctionCall) {
				if separator := call.Argument(0); !goja.IsUndefined(separator) {
					b.text(b.length(call.This) * b.textLength(separator))
				}
			})
		}
		prototype := b.prototype(name)
		constructor := b.guarded(name, func(arguments []goja.Value) {
			if len(arguments) == 0 {
				return
			}
			length := b.length(arguments[0])
			if _, ok := arguments[0].(*goja.Object); !ok {
				length = arguments[0].ToFloat()
			}
			if length > maxElements {
				b.refuse("a length of %.0f: binary data has at most %d elements", length, maxElements)
			}
		})
		check(prototype.DefineDataProperty("constructor", constructor, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
}
