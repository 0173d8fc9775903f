package sheet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
)

// typed is typed data (EIP-712) as it is signed.
type typed struct {
	Types       map[string][]member `json:"types"`
	PrimaryType string              `json:"primaryType"`
	Domain      map[string]any      `json:"domain"`
	Message     map[string]any      `json:"message"`
}

type member struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// domainType is the type of the domain.
const domainType = "EIP712Domain"

// typedData shows typed data as a tree. It is led by the types, which are what is
// signed: a member of none of them is not.
func (w *writer) typedData() {
	if w.subject.TypedData == nil {
		return
	}
	w.section("typed-data", "Typed data (EIP-712)")
	var data typed
	decoder := json.NewDecoder(bytes.NewReader(w.subject.TypedData))
	decoder.UseNumber()
	if err := decoder.Decode(&data); err != nil {
		w.warn("The typed data can't be shown as a tree")
		w.others("data", string(w.subject.TypedData))
		return
	}
	tree := &tree{writer: w, types: data.Types}
	w.add(Fact{Name: "domain"})
	tree.members(1, domainType, data.Domain)
	w.add(Fact{Name: "message", Type: Inert(data.PrimaryType)})
	tree.members(1, data.PrimaryType, data.Message)
}

// tree walks typed data by its types.
type tree struct {
	*writer
	types map[string][]member
}

// members shows a struct.
func (t *tree) members(depth int, typ string, value map[string]any) {
	signed := make(map[string]bool)
	for _, m := range t.types[typ] {
		signed[m.Name] = true
		found, there := value[m.Name]
		if !there {
			t.warn("The typed data lacks the member " + Inert(m.Name))
			t.add(Fact{Depth: depth, Name: Inert(m.Name), Type: Inert(m.Type), Text: "missing", Warns: true})
			continue
		}
		t.value(depth, Inert(m.Name), m.Type, found)
	}
	if typ == domainType && len(t.types[typ]) == 0 && len(value) == 0 {
		t.add(Fact{Depth: depth, Name: "empty", Text: "it may be signed for any application", Warns: true})
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		if !signed[name] && value[name] != nil && value[name] != "" {
			t.warn("The typed data has the member " + Inert(name) + ", which is not signed")
			t.add(Fact{Depth: depth, Name: Inert(name), Text: "NOT SIGNED: no type has it", Warns: true})
		}
	}
}

// value shows a value of a type.
func (t *tree) value(depth int, name, typ string, value any) {
	if at := strings.LastIndexByte(typ, '['); at > 0 && strings.HasSuffix(typ, "]") {
		elements, ok := value.([]any)
		if !ok {
			t.leaf(depth, name, typ, value)
			return
		}
		t.add(Fact{Depth: depth, Name: name, Type: Inert(typ), Text: counted(len(elements), "element")})
		for i, element := range elements {
			t.value(depth+1, strconv.Itoa(i), typ[:at], element)
		}
		return
	}
	if _, isStruct := t.types[typ]; isStruct {
		if members, ok := value.(map[string]any); ok {
			t.add(Fact{Depth: depth, Name: name, Type: Inert(typ)})
			t.members(depth+1, typ, members)
			return
		}
	}
	t.leaf(depth, name, typ, value)
}

// leaf shows a value that has none within.
func (t *tree) leaf(depth int, name, typ string, value any) {
	fact := Fact{Depth: depth, Name: name, Type: Inert(typ)}
	text := leafText(typ, value)
	switch {
	case typ == "address" && common.IsHexAddress(text):
		text = common.HexToAddress(text).Hex()
		fact.Note = t.note(text)
	case isNumber(typ) && name == "operation" && depth == 1 && t.delegates():
		fact.Note, fact.Warns = "a delegate call: the code of to runs with the powers of the Safe", true
	case isNumber(typ):
		t.number(&fact, "The member "+name, text)
	case typ == "string":
		fact.Text, fact.Cut = t.cut(InertLines(text))
		t.add(fact)
		return
	}
	fact.Text, fact.Cut = t.cut(Inert(text))
	t.add(fact)
}

// delegates reports whether the data is a Safe's transaction that is a delegate call.
func (t *tree) delegates() bool {
	f := t.facts
	return f != nil && f.Kind == facts.KindSafe && len(f.Actions) > 0 && f.Actions[0].Delegate
}

// leafText is a value as people read it: numbers in decimal.
func leafText(typ string, value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		if strings.HasPrefix(typ, "uint") || strings.HasPrefix(typ, "int") {
			if number, ok := new(big.Int).SetString(v, 0); ok && !decimalWithZeros(v) {
				return number.String()
			}
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

// decimalWithZeros reports a number that a reader of Go takes for octal.
func decimalWithZeros(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	return len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'
}
