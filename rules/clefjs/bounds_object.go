package clefjs

import "github.com/dop251/goja"

// maxMembers is how many members a built-in takes that makes an object, or a member of
// one, for each: a text has one for each character, and each takes hundreds of bytes.
const maxMembers = 1 << 16

// objects bounds the functions that walk over the members of a value.
func (b *bounds) objects() {
	if !b.words.has("Object", "Reflect") {
		return
	}
	object := b.vm.Get("Object").ToObject(b.vm)
	b.beforeEach(object, []string{"keys", "values", "getOwnPropertyNames"}, func(call goja.FunctionCall) {
		b.members(call.Argument(0), maxElements)
	})
	b.beforeEach(object, []string{"entries", "getOwnPropertyDescriptors"}, func(call goja.FunctionCall) {
		b.members(call.Argument(0), maxMembers)
		if object, ok := call.Argument(0).(*goja.Object); ok && object.ClassName() == "Object" {
			b.most(float64(len(object.Keys())), maxMembers, "members")
		}
	})
	b.beforeEach(object, []string{"assign"}, func(call goja.FunctionCall) {
		for _, argument := range call.Arguments[min(1, len(call.Arguments)):] {
			b.members(argument, maxMembers)
		}
	})
	if b.words.has("ownKeys") {
		b.before(b.vm.Get("Reflect").ToObject(b.vm), "ownKeys", func(call goja.FunctionCall) { b.members(call.Argument(0), maxElements) })
	}
}

// members refuses a text of too many characters, and an array of more elements than most.
func (b *bounds) members(value goja.Value, most float64) {
	switch value := value.(type) {
	case goja.String:
		b.most(float64(value.Length()), maxMembers, "characters")
	case *goja.Object:
		switch {
		case value.ClassName() == "String":
			b.most(b.length(value), maxMembers, "characters")
		case isArray(value):
			b.most(b.length(value), most, "elements")
		}
	}
}

// most refuses more than a number of something.
func (b *bounds) most(count, most float64, what string) {
	if count > most {
		b.refuse("the members of a value with %.0f %s: this function takes at most %.0f", count, what, most)
	}
}
