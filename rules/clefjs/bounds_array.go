package clefjs

import (
	"strconv"

	"github.com/dop251/goja"
)

// arrays bounds the functions that walk over arrays, and over anything else
// with a length: {"length": 1e15} from a caller's message is enough.
func (b *bounds) arrays() {
	prototype := b.prototype("Array")
	long := func(call goja.FunctionCall) { b.elements(call.This) }
	b.beforeEach(prototype, []string{
		"copyWithin", "entries", "every", "fill", "filter", "find", "findIndex", "findLast", "findLastIndex",
		"flatMap", "forEach", "includes", "indexOf", "keys", "lastIndexOf", "map", "reduce", "reduceRight",
		"reverse", "shift", "slice", "some", "sort", "splice", "unshift", "with", "toReversed", "toSorted", "toSpliced",
	}, long)
	b.beforeEach(prototype, []string{"concat"}, func(call goja.FunctionCall) {
		total := b.elements(call.This)
		for _, argument := range call.Arguments {
			if _, ok := argument.(*goja.Object); ok {
				total += b.elements(argument)
			}
		}
		b.total(total)
	})
	b.beforeEach(prototype, []string{"flat"}, func(call goja.FunctionCall) {
		depth := int64(1)
		if argument := call.Argument(0); !goja.IsUndefined(argument) {
			depth = argument.ToInteger()
		}
		b.total(b.flattened(call.This, depth, 0))
	})
	// An array that is used as a text is joined.
	b.replace(prototype, "join", func(native) native { return b.join })
	if b.words.has("toLocaleString") {
		b.replace(prototype, "toLocaleString", func(native) native { return b.joinLocale })
	}
	if values := b.before(prototype, "values", long); values != nil {
		// Spreading and destructuring iterate with it.
		check(prototype.DefineDataPropertySymbol(goja.SymIterator, values, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	b.beforeEach(b.vm.Get("Array").ToObject(b.vm), []string{"from"}, func(call goja.FunctionCall) { b.elements(call.Argument(0)) })
}

// total refuses a result of too many elements.
func (b *bounds) total(elements int) {
	if elements > maxElements {
		b.refuse("an array of %d elements: built-in functions make at most %d", elements, maxElements)
	}
}

// flattened counts the elements that flat would make.
func (b *bounds) flattened(value goja.Value, depth int64, level int) int {
	array, ok := value.(*goja.Object)
	if !ok {
		return 1
	}
	if level > maxDepth {
		b.refuse("arrays nest deeper than %d", maxDepth)
	}
	count := 0
	for i := range b.elements(array) {
		b.goOn()
		element := array.Get(strconv.Itoa(i))
		if depth > 0 && isArray(element) {
			count += b.flattened(element, depth-1, level+1)
		} else {
			count++
		}
		b.total(count)
	}
	return count
}

// join is Array.prototype.join with a bound on the text, and on the depth of
// arrays in arrays.
func (b *bounds) join(call goja.FunctionCall) goja.Value {
	separator := call.Argument(0)
	if goja.IsUndefined(separator) {
		separator = b.vm.ToValue(",")
	}
	return b.joined(call.This, b.textOf(separator), b.textOf)
}

// joinLocale is Array.prototype.toLocaleString, bounded likewise.
func (b *bounds) joinLocale(call goja.FunctionCall) goja.Value {
	return b.joined(call.This, b.textOf(b.vm.ToValue(",")), func(element goja.Value) goja.String {
		function, ok := goja.AssertFunction(element.ToObject(b.vm).Get("toLocaleString"))
		if !ok {
			panic(b.vm.NewTypeError("toLocaleString is not a function"))
		}
		value, err := function(element)
		check(err)
		return b.textOf(value)
	})
}

// joined makes one text of the elements of a value. A value that is in itself
// is written as nothing there, as in other engines; one that nests too deep is
// refused.
func (b *bounds) joined(this goja.Value, separator goja.String, write func(goja.Value) goja.String) goja.Value {
	array := this.ToObject(b.vm)
	for _, open := range b.open {
		if open == array {
			return b.vm.ToValue("")
		}
	}
	if len(b.open) >= maxDepth {
		b.refuse("arrays nest deeper than %d", maxDepth)
	}
	b.open = append(b.open, array)
	defer func() { b.open = b.open[:len(b.open)-1] }()

	var text goja.StringBuilder
	units := 0.0
	add := func(s goja.String) {
		units += float64(s.Length())
		b.text(units)
		text.WriteString(s)
	}
	for i := range b.elements(array) {
		b.goOn()
		if i > 0 {
			add(separator)
		}
		element := array.Get(strconv.Itoa(i))
		if element == nil || goja.IsUndefined(element) || goja.IsNull(element) {
			continue
		}
		add(write(element))
	}
	return text.String()
}
