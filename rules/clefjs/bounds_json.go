package clefjs

import "github.com/dop251/goja"

// json bounds how deep JSON nests, both ways: reading and writing recurse, and
// a stack that overflows ends the process. A caller's message of a million "["
// would be enough. It bounds as well how many values are read.
func (b *bounds) json() {
	if !b.words.has("JSON") {
		return
	}
	object := b.vm.Get("JSON").ToObject(b.vm)
	b.replace(object, "parse", func(original native) native {
		return func(call goja.FunctionCall) goja.Value {
			text := b.textOf(call.Argument(0))
			b.nesting(text.String())
			call.Arguments = append([]goja.Value{text}, call.Arguments[min(1, len(call.Arguments)):]...)
			return original(call)
		}
	})
	b.replace(object, "stringify", func(original native) native {
		return func(call goja.FunctionCall) goja.Value {
			w := &writing{bounds: b}
			replacer, isFunction := goja.AssertFunction(call.Argument(1))
			if isFunction {
				w.next = replacer
			}
			watched := []goja.Value{call.Argument(0), b.vm.ToValue(w.visit), call.Argument(2)}
			if list, ok := call.Argument(1).(*goja.Object); ok && !isFunction {
				// A list of members, which the watching function would displace:
				// the value is written twice, and the first is thrown away.
				b.elements(list)
				original(goja.FunctionCall{This: call.This, Arguments: watched})
				return original(call)
			}
			return original(goja.FunctionCall{This: call.This, Arguments: watched})
		}
	})
}

// What takes memory in the values that are made of JSON text, each as a multiple of an
// element of a list, and how much of it a text may have: 65,536 objects or lists, or a
// million elements. A caller's message of a megabyte may be a list of 350,000 lists.
const (
	jsonObject = 16
	jsonMember = 8
	maxJSON    = maxElements
)

// nesting refuses JSON text that nests too deep, or that has too many values.
func (b *bounds) nesting(text string) {
	depth, weight, inText := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '[', c == '{':
			if depth++; depth > maxDepth {
				b.refuse("JSON nests deeper than %d", maxDepth)
			}
			weight += jsonObject
		case c == ']', c == '}':
			depth--
		case c == ':':
			weight += jsonMember
		case c == ',':
			weight++
		}
		if weight > maxJSON {
			b.refuse("JSON has too many values: at most %d objects and lists, or %d elements", maxJSON/jsonObject, maxJSON)
		}
	}
}

// writing follows JSON.stringify through a value.
type writing struct {
	bounds *bounds
	next   goja.Callable // the replacer of the script, if it gave one
	open   []goja.Value  // the objects that are being written, outermost first
	units  float64       // of text, about
}

// visit is called for every value before it is written.
func (w *writing) visit(call goja.FunctionCall) goja.Value {
	w.bounds.goOn()
	value := call.Argument(1)
	if w.next != nil {
		replaced, err := w.next(call.This, call.Arguments...)
		check(err)
		value = replaced
	}
	for len(w.open) > 0 && w.open[len(w.open)-1] != call.This {
		w.open = w.open[:len(w.open)-1]
	}
	w.units += 8
	switch value := value.(type) {
	case *goja.Object:
		if isArray(value) {
			w.bounds.elements(value)
		}
		if len(w.open) == 0 {
			w.open = append(w.open, call.This)
		}
		w.open = append(w.open, value)
		if len(w.open) > maxDepth {
			w.bounds.refuse("what is written as JSON nests deeper than %d", maxDepth)
		}
	case goja.String:
		w.units += float64(value.Length())
	}
	w.bounds.text(w.units)
	return value
}
