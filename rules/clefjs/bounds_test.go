package clefjs

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// runaways are scripts that would run, recurse or allocate without end.
var runaways = map[string]string{
	"loop":                      `for (;;) {}`,
	"loop that catches":         `for (;;) { try { for (;;) {} } catch (e) {} finally { continue } }`,
	"recursion":                 `(function f() { f() })()`,
	"recursion that catches":    `(function f() { try { f() } catch (e) { f() } })()`,
	"mutual toString":           `var o = {toString() { return "" + o }}; "" + o`,
	"getter":                    `var o = {get a() { return o.a }}; o.a`,
	"proxy":                     `var p = new Proxy({}, {get() { return p.a }}); p.a`,
	"toJSON":                    `var o = {toJSON() { return JSON.stringify(o) }}; JSON.stringify(o)`,
	"replacer":                  `JSON.stringify([1], function f(k, v) { return {a: [v]} })`,
	"reviver":                   `JSON.parse("[[1]]", function f(k, v) { return JSON.parse("[[1]]", f) })`,
	"comparator":                `[2, 1].sort(function f() { return [2, 1].sort(f) })`,
	"replace callback":          `"a".replace(/a/, function f() { return "a".replace(/a/, f) })`,
	"promises":                  `(async function f() { for (;;) await null })()`,
	"generator":                 `[...(function* () { for (;;) yield 1 })()]`,
	"array of a generator":      `Array.from((function* () { for (;;) yield 1 })())`,
	"set of a generator":        `new Set((function* () { for (var i = 0;; i++) yield i })())`,
	"doubled text":              `var s = "x"; for (;;) s += s`,
	"doubled array":             `var a = [1]; for (;;) a = a.concat(a)`,
	"pushed":                    `var a = []; for (;;) a.push({})`,
	"nested":                    `var a = []; for (;;) a = [a]`,
	"list":                      `var a = {}; for (;;) a = {a: a}`,
	"bound":                     `var f = function () {}; for (;;) f = f.bind(null)`,
	"proxies":                   `var p = {}; for (;;) p = new Proxy(p, {})`,
	"prototypes":                `var p = {}; for (;;) p = Object.create(p)`,
	"map":                       `var m = new Map(); for (var i = 0;; i++) m.set(i, {})`,
	"repeat":                    `"x".repeat(2 ** 40)`,
	"repeat to the limit":       `var a = []; for (;;) a.push("x".repeat(2 ** 23) + a.length)`,
	"padStart":                  `"x".padStart(2 ** 40)`,
	"padEnd":                    `"x".padEnd(2 ** 30, "ab")`,
	"replace":                   `"x".repeat(1e6).replace(/x/g, "y".repeat(1e6))`,
	"replace with itself":       `"x".repeat(1e6).replace(/x/g, "$'")`,
	"replaceAll":                `"x".repeat(1e6).replaceAll("x", "y".repeat(1e6))`,
	"symbol replace":            `/x/g[Symbol.replace]("x".repeat(1e6), "y".repeat(1e6))`,
	"split":                     `"x".repeat(16e6).split("")`,
	"normalize":                 `"\uFDFA".repeat(16e6).normalize("NFKD")`,
	"localeCompare":             `var s = "é".repeat(16e6); s.localeCompare(s + "x")`,
	"parseFloat":                `parseFloat("9".repeat(16e6))`,
	"match, global":             `"x".repeat(4e6).match(/x/g)`,
	"replace, global":           `"x".repeat(4e6).replace(/x/g, function () { return "y" })`,
	"split, expression":         `"x ".repeat(2e6).split(/ /)`,
	"matchAll, spread":          `[..."x".repeat(4e6).matchAll(/x/g)]`,
	"typed array, join":         `new Uint8Array(1e6).join("x".repeat(1e6))`,
	"join":                      `Array(1e6).join("x".repeat(1e6))`,
	"join of texts":             `var s = "x".repeat(1e6); Array(1e6).fill(s).join()`,
	"join of arrays":            `var a = ["x".repeat(1e3)]; for (var i = 0; i < 30; i++) a = [a, a]; "" + a`,
	"join, deep":                `var a = []; for (var i = 0; i < 1e5; i++) a = [a]; "" + a`,
	"toLocaleString, deep":      `var a = []; for (var i = 0; i < 1e5; i++) a = [a]; a.toLocaleString()`,
	"flat, deep":                `var a = []; for (var i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)`,
	"flat, wide":                `var a = [1]; for (var i = 0; i < 30; i++) a = [a, a]; a.flat(Infinity)`,
	"stringify, deep":           `var a = []; for (var i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)`,
	"stringify, wide":           `var a = [1]; for (var i = 0; i < 40; i++) a = [a, a]; JSON.stringify(a)`,
	"stringify, with a list":    `var a = []; for (var i = 0; i < 1e5; i++) a = {a: a}; JSON.stringify(a, ["a"])`,
	"stringify, long":           `var a = []; a[4e9] = 1; JSON.stringify(a)`,
	"stringify, texts":          `var s = "x".repeat(1e6); JSON.stringify(Array(1e4).fill(s))`,
	"parse, deep":               `JSON.parse("[".repeat(1e6))`,
	"parse, deep objects":       `JSON.parse('{"a":'.repeat(1e6))`,
	"long array":                `var a = Array(4294967295); a.indexOf(1)`,
	"long array, length":        `var a = []; a.length = 4294967295; a.sort()`,
	"long array, fill":          `Array(4294967295).fill(0)`,
	"long array, join":          `Array(4294967295).join()`,
	"long array, text":          `"" + Array(4294967295)`,
	"long array, reverse":       `Array(4294967295).reverse()`,
	"long array, spread":        `[...Array(4294967295)]`,
	"long array, arguments":     `Math.max(...Array(4294967295))`,
	"long array, apply":         `Math.max.apply(null, Array(4294967295))`,
	"long array, Reflect":       `Reflect.apply(Math.max, null, {length: 2 ** 31})`,
	"long array, construct":     `Reflect.construct(Date, {length: 2 ** 31})`,
	"long array, set":           `new Set(Array(4294967295))`,
	"long array, destructured":  `var [...a] = Array(4294967295)`,
	"long array, concat":        `[].concat(Array(4294967295))`,
	"long array, every":         `Array(4294967295).every(function () { return true })`,
	"long likeness, indexOf":    `Array.prototype.indexOf.call({length: 2 ** 53}, 1)`,
	"long likeness, from":       `Array.from({length: 2 ** 53})`,
	"long likeness, map":        `Array.prototype.map.call({length: 2 ** 32}, String)`,
	"long likeness, unshift":    `Array.prototype.unshift.call({length: 2 ** 52}, 1)`,
	"long likeness, parsed":     `Array.from(JSON.parse('{"length":9e15}'))`,
	"buffer":                    `new ArrayBuffer(2 ** 40)`,
	"buffer, large":             `new ArrayBuffer(2 ** 33)`,
	"typed array":               `new Uint8Array(2 ** 33).fill(1)`,
	"typed array of a length":   `new Float64Array({length: 2 ** 33})`,
	"typed array, constructor":  `new (new Uint8Array(1).constructor)(2 ** 33)`,
	"backtracking":              `/^(?=x)(x+x+)+$/.test("x".repeat(64) + "y")`,
	"backtracking, caught":      `while (!/^(?=x)(x+x+)+$/.test("x".repeat(64) + "y")) {}`,
	"backreference":             `/^(x+)+\1$/.test("x".repeat(64) + "y")`,
	"backtracking, exec":        `while (/^(?=x)(x+x+)+$/.exec("x".repeat(64) + "y") === null) {}`,
	"backtracking, match":       `while ("x".repeat(64).match(/^(?=x)(x+x+)+y$/) === null) {}`,
	"backtracking, search":      `while ("x".repeat(64).search(/^(?=x)(x+x+)+y$/) < 0) {}`,
	"backtracking, replace":     `while ("x".repeat(64).replace(/^(?=x)(x+x+)+y$/, "")) {}`,
	"backtracking, split":       `while ("x".repeat(64).split(/^(?=x)(x+x+)+y$/)) {}`,
	"backtracking, matchAll":    `while ([..."x".repeat(64).matchAll(/^(?=x)(x+x+)+y$/g)]) {}`,
	"backtracking, species":     `class R extends RegExp {}; while ("x".repeat(64).match(new R("^(?=x)(x+x+)+y$")) === null) {}`,
	"sticky":                    `var r = /(x+x+)+y/g; r.lastIndex = 1; r.exec("x".repeat(64))`,
	"raw":                       `String.raw({raw: {length: 2 ** 53}})`,
	"pattern, deep":             `new RegExp("(".repeat(1e6) + ")".repeat(1e6))`,
	"pattern, called":           `RegExp("(?=".repeat(1e6) + ")".repeat(1e6))`,
	"eval, deep":                `eval("(".repeat(1e6))`,
	"eval, long":                `eval("!".repeat(1e6))`,
	"eval, BigInt":              `eval("2n ** 1000000000000n")`,
	"Function, deep":            `new Function("(".repeat(1e6))`,
	"Function, by constructor":  `(function () {}).constructor("[".repeat(1e6))`,
	"BigInt":                    `BigInt(2) ** BigInt(1e12)`,
	"text, keys":                `Object.keys("x".repeat(1e6))`,
	"text, values":              `Object.values("x".repeat(1e6))`,
	"text, entries":             `Object.entries("x".repeat(1e6))`,
	"text, names":               `Object.getOwnPropertyNames("x".repeat(1e6))`,
	"text, assigned":            `Object.assign({}, "x".repeat(1e6))`,
	"text, object":              `Object.entries(new String("x".repeat(1e6)))`,
	"text, arguments":           `for (;;) Math.max(..."x".repeat(1e6))`,
	"text, spread":              `for (;;) [..."x".repeat(1e6)]`,
	"text, set":                 `for (;;) new Set("x".repeat(1e6))`,
	"text, from":                `for (;;) Array.from("x".repeat(1e6))`,
	"text, destructured":        `for (;;) { var [...a] = "x".repeat(1e6) }`,
	"array, arguments":          `for (;;) Math.max(...Array(1e6).fill(1))`,
	"array, entries":            `Object.entries(Array(1e6).fill(1))`,
	"set, arguments":            `var s = new Set(); for (var i = 0; i < 2e5; i++) s.add(i); for (;;) Math.max(...s)`,
	"parse, lists":              `JSON.parse("[" + "[],".repeat(3e5) + "[]]")`,
	"parse, members":            `JSON.parse('[{"a":0' + ',"a":0'.repeat(3e5) + "}]")`,
	"parse, elements":           `JSON.parse("[" + "0,".repeat(2e6) + "0]")`,
	"error, its own message":    `var e = new Error("x"); e.message = e; "" + e`,
	"error, message of a class": `class E extends Error { get message() { return this } }; "" + new E()`,
	"toString, toLocaleString":  `var o = {}; o.toString = o.toLocaleString; "" + o`,
	"toString, of a text":       `var o = {}; o.toString = "".trim; "" + o`,
	"valueOf, push":             `var o = {}; o.valueOf = [].push; o.length = o; [].push.call(o)`,
	"join, toString":            `var a = [1]; a.join = a.toString; "" + a`,
	"expression, source":        `var r = /x/; Object.defineProperty(r, "source", {value: r}); "" + r`,
	"expression, flags":         `var r = /x/; Object.defineProperty(r, "flags", {value: r}); "" + r`,
	"date, toJSON":              `var d = new Date(0); d.toISOString = d.toJSON; JSON.stringify(d)`,
	"date, toString":            `var d = new Date(0); d.toString = "".trim; "" + d`,
	"proxy, prototype":          `var t = {}, p = new Proxy(t, {}); t.__proto__ = p; t.x`,
	"proxy, set prototype":      `var t = {}, p = new Proxy(t, {}); Object.setPrototypeOf(t, p); t.x`,
	"proxy, reflected":          `var t = {}, p = new Proxy(t, {}); Reflect.setPrototypeOf(t, Object.create(p)); t.x`,
	"proxy, of a proxy":         `var t = {}, p = new Proxy(t, {}), q = Proxy.revocable(p, {}).proxy; p.__proto__ = q; t.x`,
	"proxy, handler":            `var h = {}, p = new Proxy({}, h); h.__proto__ = p; p.x`,
	"apply, nested":             `var a = []; for (var i = 0; i < 5e3; i++) a = [Reflect.apply, Reflect, a]; Reflect.apply.apply(Reflect, a)`,
	"digits":                    `BigNumber.config({DECIMAL_PLACES: 1e9}); new BigNumber(1).div(3)`,
}

// bounded loads a file whose ApproveTx runs a script and then approves.
func bounded(t *testing.T, script string) (*Ruleset, error) {
	t.Helper()
	r, err := Load("rules.js", []byte("function ApproveTx() {\n"+script+"\nreturn \"Approve\" }"), Options{Timeout: 150 * time.Millisecond})
	if err == nil {
		t.Cleanup(r.Close)
	}
	return r, err
}

func TestRunawayCallsAreStopped(t *testing.T) {
	for name, script := range runaways {
		t.Run(name, func(t *testing.T) {
			r, err := bounded(t, script)
			if err != nil {
				t.Fatal(err)
			}
			decision := judge(t, r, transfer(1, big.NewInt(1), nil))
			if decision.Verdict != rules.Refer || !strings.HasPrefix(decision.Reason, "rules.js:") {
				t.Fatalf("got %v, %q", decision.Verdict, decision.Reason)
			}
			if stuck := r.guard.stuck.Load(); (stuck != 0 || strings.Contains(decision.Reason, "left behind")) && !raceDetector {
				t.Fatalf("a script could not be stopped: %s", decision.Reason)
			}
			ended(r) // at the latest now
			t.Log(decision.Reason)
		})
	}
}

func TestRunawayTopLevelsDoNotLoad(t *testing.T) {
	for name, script := range runaways {
		t.Run(name, func(t *testing.T) {
			r, err := Load("rules.js", []byte("\n"+script), Options{Timeout: 150 * time.Millisecond})
			if err == nil {
				r.Close()
				t.Fatal("it loads")
			}
			// The compiler keeps no place for a loop without a body, and on a busy
			// machine the time may end before the file has begun: then at its start,
			// or nowhere.
			late := strings.Contains(err.Error(), "left behind")
			if late && raceDetector {
				return
			}
			placed := strings.Contains(err.Error(), "rules.js:2:") || strings.Contains(err.Error(), "rules.js: stopped: it runs longer") ||
				strings.Contains(err.Error(), "rules.js:1:1: stopped: it runs longer")
			if !placed && !strings.HasPrefix(name, "loop") || late {
				t.Fatalf("got %q", err)
			}
		})
	}
}

// TestStoppedMatchesDecideNothing: every function that matches ends the script
// when a match is stopped; "no match" would approve what the expression finds.
func TestStoppedMatchesDecideNothing(t *testing.T) {
	t.Parallel()
	const text = `"a".repeat(64) + "c"`
	for _, expression := range []string{`/^(?=a)(?:(a+)+b|a+c$)/`, `/(?=a)(?:(a+)+b|a+c$)/gy`} {
		for name, none := range map[string]string{
			"test":     `!re.test(text)`,
			"exec":     `re.exec(text) === null`,
			"match":    `text.match(re) === null`,
			"search":   `text.search(re) < 0`,
			"replace":  `text.replace(re, "") === text`,
			"split":    `text.split(re).length === 1`,
			"borrowed": `!RegExp.prototype["te" + "st"].call(re, text)`,
		} {
			t.Run(name+" "+expression, func(t *testing.T) {
				t.Parallel()
				r := load(t, "function ApproveTx() { var re = "+expression+", text = "+text+"; return "+none+` ? "Approve" : "Reject" }`, Options{})
				decision := judge(t, r, transfer(1, big.NewInt(1), nil))
				if decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, "stopped: ") {
					t.Fatalf("got %v, %q", decision.Verdict, decision.Reason)
				}
			})
		}
	}
}

// TestTextsAreBounded: what would make a longer text in one step than may be kept is
// refused before it is made, and what fits is made.
func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		`"x".repeat(4e3).repeat(4e3).concat("y".repeat(4e6))`:    "at most 16777216 can be made",
		`"x".concat(1, null, ["y"], {})`:                         `"x1nully[object Object]"`,
		`new Uint8Array(1e6).join("x".repeat(1e6))`:              "at most 16777216 can be made",
		`new Uint16Array([1, 2, 300]).join("-")`:                 `"1-2-300"`,
		`new Float64Array([1.5, 2]).join()`:                      `"1.5,2"`,
		`"e\u0301".normalize()`:                                  `"é"`,
		`"a".localeCompare("b") + ""`:                            `"-1"`,
		`parseFloat("1.5x") + Number.parseFloat(2) + ""`:         `"3.5"`,
		`Object.entries("x".repeat(65536)).length + ""`:          `"65536"`,
		`Object.entries("x".repeat(65537)).length + ""`:          "a value with 65537 characters: this function takes at most 65536",
		`Object.keys({length: 1e15, a: 1}).join()`:               `"length,a"`,
		`Object.assign({a: 1}, {b: 2}, null, "c").b + ""`:        `"2"`,
		`Math.max(...[1, 2, 3], ..."45") + [..."ab"].join()`:     `"5a,b"`,
		`[...new Set("aab"), ...new Map([[1, 2]])].join()`:       `"a,b,1,2"`,
		`JSON.parse("[" + "{},".repeat(6e4) + "0]").length + ""`: `"60001"`,
	} {
		r := load(t, "function ApproveTx() { return "+script+" }", Options{Timeout: 30 * time.Second}) // it is not the time that is to bound them
		if got := judge(t, r, transfer(1, big.NewInt(1), nil)); !strings.Contains(got.Reason, want) {
			t.Errorf("%s: got %q, want %s", script, got.Reason, want)
		}
	}
}
