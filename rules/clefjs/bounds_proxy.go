package clefjs

import "github.com/dop251/goja"

// proxies bounds how deep proxies nest: they are small, what is done to the
// outermost is done to each in turn, and the stack would overflow.
func (b *bounds) proxies() {
	if !b.words.has("Proxy") {
		return
	}
	original := b.vm.Get("Proxy").ToObject(b.vm)
	construct, ok := goja.AssertConstructor(original)
	if !ok {
		return
	}
	depths := make(map[*goja.Object]int)
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
}
