package clefjs

import "github.com/dop251/goja"

// iterators has what iterates without a look at the interrupt end with its call: a
// spread, a destructuring or a new Set of a long text or array.
func (b *bounds) iterators() {
	if !b.words.has("...", "Set", "Map", "from(", "fromEntries", "Promise", "yield") {
		return
	}
	b.iterator(b.prototype("String"), b.vm.ToValue(""))
	b.iterator(b.prototype("Array"), b.vm.NewArray())
	for _, name := range []string{"Map", "Set"} {
		if b.words.has(name) {
			empty, err := b.vm.New(b.vm.Get(name))
			check(err)
			b.iterator(b.prototype(name), empty)
		}
	}
}

// iterator makes the iterators of values of a kind end, of which one is given.
func (b *bounds) iterator(prototype *goja.Object, one goja.Value) {
	begin, ok := goja.AssertFunction(prototype.GetSymbol(goja.SymIterator))
	if !ok {
		return
	}
	iterator, err := begin(one)
	check(err)
	b.before(iterator.ToObject(b.vm).Prototype(), "next", func(goja.FunctionCall) { b.goOn() })
}
