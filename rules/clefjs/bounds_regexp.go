package clefjs

import (
	"errors"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
)

// A match that backtracks is stopped, and then looks like none. No script may
// go on with that, so that a match that fails slowly ends the script, unless it
// was the machine that was slow: then it is faster when it is tried again.
// The second time is well above the first because the matcher's clock is
// coarse, and may be late on a busy machine.
const (
	slowMatch     = 100 * time.Millisecond
	endMatch      = 400 * time.Millisecond
	matchAttempts = 4
)

var errPattern = errors.New("a regular expression takes too long")

// BigNumber matches what it is given, and backtracks on a long text of spaces.
// Its matches are stopped after a longer time, so that a script whose own limit
// is at most libraryTimeout is over by then, and needs no check of them.
const (
	libraryTimeout  = time.Second
	endLibraryMatch = 1200 * time.Millisecond
)

// compileLibrary compiles BigNumber, and sets the time after which other
// matches are stopped: an expression takes the limit with it that the process
// has when it is compiled.
var compileLibrary = sync.OnceValues(func() (*goja.Program, error) {
	regexp2.DefaultMatchTimeout = endLibraryMatch
	defer func() { regexp2.DefaultMatchTimeout = endMatch }()
	return goja.Compile("bignumber.js", bigNumber, false)
})

// regexps bounds regular expressions. That exec is replaced makes all other
// functions use it, but for test.
func (b *bounds) regexps() {
	named := b.words.has("RegExp", "exec", "test", "match", "replace", "search", "split", "compile")
	if !named && (!b.words.has("BigNumber") || b.machine.ruleset.options.Timeout <= libraryTimeout) {
		return
	}
	prototype := b.prototype("RegExp")
	b.replace(prototype, "exec", func(original native) native { return b.matched(original, goja.IsNull) })
	b.replace(prototype, "test", func(original native) native {
		return b.matched(original, func(found goja.Value) bool { return !found.ToBoolean() })
	})
	if !named {
		return
	}
	b.symbol(prototype, goja.SymReplace, func(call goja.FunctionCall) {
		b.replaced(goja.FunctionCall{This: call.Argument(0), Arguments: []goja.Value{call.This, call.Argument(1)}})
	})
	expression := b.guarded("RegExp", func(arguments []goja.Value) {
		if len(arguments) > 0 {
			b.pattern(arguments[0])
		}
	})
	check(prototype.DefineDataProperty("constructor", expression, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	b.before(prototype, "compile", func(call goja.FunctionCall) { b.pattern(call.Argument(0)) })
}

// matched puts a check behind a function that matches. None tells whether its
// result says that there is no match. One that is to end does not match any more:
// with a global expression the built-ins match again and again without a look at
// the interrupt, and keep each match until the last.
func (b *bounds) matched(original native, none func(goja.Value) bool) native {
	return func(call goja.FunctionCall) goja.Value {
		b.goOn()
		this := call.This.ToObject(b.vm)
		from := this.Get("lastIndex") // where a global expression begins
		for range matchAttempts {
			started := time.Now()
			match := original(call)
			if !none(match) || time.Since(started) < slowMatch {
				return match
			}
			b.goOn()
			if from != nil {
				check(this.Set("lastIndex", from))
			}
		}
		b.machine.running.stop(errPattern)
		return goja.Null()
	}
}

// pattern refuses a regular expression that is too long to be compiled.
func (b *bounds) pattern(source goja.Value) {
	if text, ok := source.(goja.String); ok && text.Length() > maxPattern {
		b.refuse("a regular expression of %d characters: at most %d are compiled", text.Length(), maxPattern)
	}
}

// symbol makes a check ahead of a built-in that is named by a symbol.
func (b *bounds) symbol(object *goja.Object, name *goja.Symbol, ahead func(goja.FunctionCall)) {
	function, ok := goja.AssertFunction(object.GetSymbol(name))
	if !ok {
		return
	}
	checked := func(call goja.FunctionCall) goja.Value {
		ahead(call)
		value, err := function(call.This, call.Arguments...)
		check(err)
		return value
	}
	check(object.DefineDataPropertySymbol(name, b.vm.ToValue(checked), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}
