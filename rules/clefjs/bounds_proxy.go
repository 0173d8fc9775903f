package clefjs

import "github.com/dop251/goja"

// proxies bounds how deep proxies nest: they are small, what is done to the
// outermost is done to each in turn, and the stack would overflow. It does at once where
// a proxy is a prototype of what is behind it, which is refused.
func (b *bounds) proxies() {
	if !b.words.has("Proxy") {
		return
	}
	original := b.vm.Get("Proxy").ToObject(b.vm)
	construct, ok := goja.AssertConstructor(original)
	if !ok {
		return
	}
	depths, hidden := make(map[*goja.Object]int), make(behind)
	// made makes a proxy, and notes how deep it is.
	made := func(arguments []goja.Value, create func() (*goja.Object, *goja.Object)) *goja.Object {
		depth := 1
		for _, argument := range arguments[:min(2, len(arguments))] {
			if object, ok := argument.(*goja.Object); ok {
				depth = max(depth, depths[object]+1)
			}
		}
		if depth > maxDepth {
			b.refuse("proxies nest deeper than %d", maxDepth)
		}
		proxy, result := create()
		depths[proxy] = depth
		for _, argument := range arguments[:min(2, len(arguments))] {
			hidden[proxy] = append(hidden[proxy], argument.ToObject(b.vm)) // it is one
		}
		return result
	}
	guarded := b.vm.ToValue(b.vm.NewProxy(original, &goja.ProxyTrapConfig{
		Construct: func(_ *goja.Object, arguments []goja.Value, _ *goja.Object) *goja.Object {
			return made(arguments, func() (*goja.Object, *goja.Object) {
				object, err := construct(nil, arguments...)
				check(err)
				return object, object
			})
		},
	}))
	b.replace(original, "revocable", func(revocable native) native {
		return func(call goja.FunctionCall) goja.Value {
			return made(call.Arguments, func() (*goja.Object, *goja.Object) {
				result := revocable(call).ToObject(b.vm)
				return result.Get("proxy").ToObject(b.vm), result
			})
		}
	})
	check(b.vm.GlobalObject().DefineDataProperty("Proxy", guarded, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	b.prototypes(hidden)
}

// behind are the target and the handler of each proxy.
type behind map[*goja.Object][]*goja.Object

// prototypes refuses prototypes that lead through proxies back to where they began: the
// engine refuses those that do without.
func (b *bounds) prototypes(behind behind) {
	given := func(call goja.FunctionCall) { b.circle(behind, call.Argument(0), call.Argument(1)) }
	object := b.vm.Get("Object").ToObject(b.vm)
	b.before(object, "setPrototypeOf", given)
	b.before(b.vm.Get("Reflect").ToObject(b.vm), "setPrototypeOf", given)
	describe, ok := goja.AssertFunction(object.Get("getOwnPropertyDescriptor"))
	if !ok {
		return
	}
	described, err := describe(object, b.prototype("Object"), b.vm.ToValue("__proto__"))
	check(err)
	accessor := described.ToObject(b.vm)
	set := b.before(accessor, "set", func(call goja.FunctionCall) { b.circle(behind, call.This, call.Argument(0)) })
	check(b.prototype("Object").DefineAccessorProperty("__proto__", accessor.Get("get"), set, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// circle refuses a prototype of an object that leads back to it.
func (b *bounds) circle(behind behind, of, prototype goja.Value) {
	object, ok := of.(*goja.Object)
	for ok && len(behind[object]) > 0 { // a proxy hands it to its target
		object = behind[object][0]
	}
	first, isObject := prototype.(*goja.Object)
	if !ok || !isObject {
		return
	}
	seen, next := make(map[*goja.Object]bool), []*goja.Object{first}
	for len(next) > 0 {
		b.goOn()
		at := next[len(next)-1]
		next = next[:len(next)-1]
		if at == object {
			b.refuse("the prototype of an object leads back to it")
		}
		switch further := behind[at]; {
		case seen[at]:
		case len(further) > 0:
			next = append(next, further...)
		default:
			if parent := at.Prototype(); parent != nil {
				next = append(next, parent)
			}
		}
		seen[at] = true
	}
}
