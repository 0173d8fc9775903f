package clefjs

import (
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"sync"

	"github.com/dop251/goja/ast"
)

// vocabulary says which names a rule file can use. To put every built-in
// behind its check would cost several times what the rest of a machine costs,
// and most files name few of them.
type vocabulary struct {
	text   string
	found  sync.Map           // name → whether it is in the text: asked for every machine
	all    bool               // the file can use a name that is not in its text
	copies bool               // the file copies members by {...value}, or may
	bigInt *ast.NumberLiteral // a BigInt of the file, nil if it has none
}

// detours are the ways to a function whose name is not in the text.
var detours = regexp.MustCompile(`\\u|\b(eval|Function|constructor|prototype|__proto__|getPrototypeOf|Reflect|Proxy|call|apply|bind|getOwnProperty\w*|globalThis)\b`)

// evaluates are the ways to evaluate text, whose tree is not looked at.
var evaluates = regexp.MustCompile(`\\u|\b(eval|Function)\b|[.'"\x60]constructor\b`)

// newVocabulary reads a file. A name that is not in the text is called only
// by a file that computes what it calls, evaluates text, or spells names with
// escapes; such a file has every name. One that computes a name and calls what it
// finds later (var f = a[b]; f()) is not found: nobody comes to a built-in by mistake
// like that, and nearly all files that read a list would pay for the search.
func newVocabulary(text string, tree *ast.Program) *vocabulary {
	v := &vocabulary{text: text, all: detours.MatchString(text)}
	v.copies = strings.Contains(text, "...") && evaluates.MatchString(text)
	v.walk(reflect.ValueOf(tree.Body))
	return v
}

// has tells whether the file may use a name.
func (v *vocabulary) has(names ...string) bool {
	for _, name := range names {
		if v.all || v.contains(name) {
			return true
		}
	}
	return false
}

// contains tells whether a name is in the text.
func (v *vocabulary) contains(name string) bool {
	if found, ok := v.found.Load(name); ok {
		return found == true
	}
	found := strings.Contains(v.text, name)
	v.found.Store(name, found)
	return found
}

// walk looks at every node of a syntax tree.
func (v *vocabulary) walk(node reflect.Value) {
	switch node.Kind() {
	case reflect.Interface:
		if !node.IsNil() {
			v.walk(node.Elem())
		}
	case reflect.Pointer:
		if !node.IsNil() {
			v.look(node.Interface())
			v.walk(node.Elem())
		}
	case reflect.Slice:
		for i := range node.Len() {
			v.walk(node.Index(i))
		}
	case reflect.Struct:
		for i := range node.NumField() {
			// Declaration lists and files hold nothing that is not elsewhere in
			// the tree, and point back into it.
			if field := node.Type().Field(i); field.IsExported() && field.Name != "DeclarationList" && field.Name != "File" {
				v.walk(node.Field(i))
			}
		}
	default:
	}
}

// look looks at one node.
func (v *vocabulary) look(node any) {
	switch node := node.(type) {
	case *ast.NumberLiteral:
		if _, ok := node.Value.(*big.Int); ok && v.bigInt == nil {
			v.bigInt = node
		}
	case *ast.ObjectLiteral:
		for _, property := range node.Value {
			_, spread := property.(*ast.SpreadElement)
			v.copies = v.copies || spread
		}
	case *ast.ObjectPattern:
		v.copies = v.copies || node.Rest != nil
	case *ast.CallExpression:
		v.callee(node.Callee)
	case *ast.NewExpression:
		v.callee(node.Callee)
	case *ast.TemplateLiteral:
		v.callee(node.Tag)
	}
}

// callee notes a call whose function's name is computed, as in a[b]().
func (v *vocabulary) callee(expression ast.Expression) {
	switch expression := expression.(type) {
	case *ast.Optional:
		v.callee(expression.Expression)
	case *ast.OptionalChain:
		v.callee(expression.Expression)
	case *ast.BracketExpression:
		v.all = true
	}
}
