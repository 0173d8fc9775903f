package clefjs

import "github.com/dop251/goja"

// strings bounds the functions that make a long text of a short one.
func (b *bounds) strings() {
	prototype := b.prototype("String")
	b.beforeEach(prototype, []string{"repeat"}, func(call goja.FunctionCall) {
		if count := call.Argument(0).ToFloat(); count > 0 {
			b.text(b.textLength(call.This) * count)
		}
	})
	pad := func(call goja.FunctionCall) { b.text(call.Argument(0).ToFloat()) }
	b.beforeEach(prototype, []string{"padStart"}, pad)
	b.beforeEach(prototype, []string{"padEnd"}, pad)
	b.beforeEach(prototype, []string{"replace"}, func(call goja.FunctionCall) {
		// A text is replaced once; an expression can match everywhere.
		if _, expression := call.Argument(0).(*goja.Object); expression {
			b.replaced(call)
		}
	})
	b.beforeEach(prototype, []string{"replaceAll"}, b.replaced)
	if b.words.has("concat") {
		b.replace(prototype, "concat", func(original native) native {
			return func(call goja.FunctionCall) goja.Value {
				units := b.textLength(call.This)
				for i, argument := range call.Arguments {
					text := b.textOf(argument)
					call.Arguments[i] = text
					units += float64(text.Length())
					b.text(units)
				}
				return original(call)
			}
		})
	}
	// Of what takes more than a second with the longest of texts.
	slow := func(value goja.Value) {
		if units := b.textLength(value); units > maxElements {
			b.refuse("a text of %.0f characters is too long: this function takes at most %d", units, maxElements)
		}
	}
	b.beforeEach(prototype, []string{"normalize"}, func(call goja.FunctionCall) { slow(call.This) })
	b.beforeEach(prototype, []string{"localeCompare"}, func(call goja.FunctionCall) {
		slow(call.This)
		slow(call.Argument(0))
	})
	parsing := func(call goja.FunctionCall) { slow(call.Argument(0)) }
	b.beforeEach(b.vm.GlobalObject(), []string{"parseFloat"}, parsing)
	b.beforeEach(b.vm.Get("Number").ToObject(b.vm), []string{"parseFloat"}, parsing)
	b.beforeEach(b.vm.Get("String").ToObject(b.vm), []string{"raw"}, func(call goja.FunctionCall) {
		if strings, ok := call.Argument(0).(*goja.Object); ok {
			b.elements(strings.Get("raw"))
		}
	})
	b.beforeEach(prototype, []string{"split"}, func(call goja.FunctionCall) {
		if units := b.textLength(call.This); units > 4*maxElements {
			b.refuse("a text of %.0f characters is too long to be split", units)
		}
	})
}

// replaced refuses a replacement that could make a text too long: with a match
// at every character, and with the longest thing that each "$" can stand for.
func (b *bounds) replaced(call goja.FunctionCall) {
	if _, function := goja.AssertFunction(call.Argument(1)); function {
		return // it runs in the machine, for every match
	}
	own, replacement := b.textLength(call.This), b.textOf(call.Argument(1))
	each := float64(replacement.Length())
	for i := range replacement.Length() {
		if replacement.CharAt(i) == '$' {
			each += own
		}
	}
	// A replacement that is short is common, and harmless.
	if each > 16 {
		b.text((own + 1) * each)
	}
}

// textLength returns the length of a value as a text.
func (b *bounds) textLength(value goja.Value) float64 { return float64(b.textOf(value).Length()) }

// textOf returns a value as a text.
func (b *bounds) textOf(value goja.Value) goja.String {
	value = value.ToString() // of an object, by its own functions
	if text, ok := value.(goja.String); ok {
		return text
	}
	text, ok := b.vm.ToValue(value.String()).(goja.String)
	if !ok {
		panic(b.vm.NewTypeError("the value is no text"))
	}
	return text
}
