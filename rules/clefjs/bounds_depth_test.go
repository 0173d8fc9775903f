package clefjs

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestConversionsAreAsBefore: that they are counted changes nothing of what they give.
func TestConversionsAreAsBefore(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		`"" + {valueOf() { return 1 }, toString() { return "no" }}`:                                                       "1",
		"`${{valueOf() { return 1 }, toString() { return 'yes' }}}`":                                                      "yes",
		`"" + {valueOf() { return {} }, toString() { return "yes" }}`:                                                     "yes",
		`"" + {valueOf: 1, toString: null, [Symbol.toPrimitive]: h => h}`:                                                 "default",
		`var o = {}; o[Symbol.toPrimitive] = h => h + 1; o + ""`:                                                          "default1",
		`+{valueOf() { return "5" }} + ""`:                                                                                "5",
		`"" + {}`:                                                                                                         "[object Object]",
		`"" + [1, [2, null], {}]`:                                                                                         "1,2,,[object Object]",
		`"" + new Error("x") + Object.assign(new Error("y"), {name: {}})`:                                                 "Error: x[object Object]: y",
		`+new Date(5) + "" + (new Date(5) + "").length`:                                                                   "539",
		`new Date(5).toJSON()`:                                                                                            "1970-01-01T00:00:00.005Z",
		`new BigNumber(5) + "" + [new BigNumber(1e21)]`:                                                                   "51e+21",
		`try { "" + Object.create(null) } catch (e) { e.name + ": " + e.message }`:                                        "TypeError",
		`(function f(n) { return n ? f.apply(this, [n - 1]) : "end" })(500)`:                                              "end",
		`Object(Symbol.iterator).toString() + Object(1) + Object("a") + /b/g`:                                             "Symbol(Symbol.iterator)1a/b/g",
		`({b: 1}).toLocaleString() + [1, "a"].toLocaleString()`:                                                           "[object Object]1,a",
		`Object.keys({a: 1}).join() + Object.getOwnPropertyNames(Object.prototype).includes("toPrimitive")`:               "afalse",
		`var t = {}, p = new Proxy(t, {}), o = {}; o.__proto__ = p; t.x = 5; "" + o.x + (Object.getPrototypeOf(o) === p)`: "5true",
		`var o = {__proto__: {a: 1}}; var a = o.a; o.__proto__ = null; a + "" + o.a + new Proxy({}, {})`:                  "1undefined[object Object]",
	} {
		r := load(t, "function ApproveTx() { throw eval("+strconv.Quote(script)+") }", Options{})
		decision := judge(t, r, transfer(1, big.NewInt(1), nil))
		if want = "exception: " + want; decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, want) {
			t.Errorf("%s: got %q, want %s", script, decision.Reason, want)
		}
	}
}
