package extapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// generator makes random EIP-712 documents, the same for the same seed.
type generator struct {
	random *rand.Rand
	types  apitypes.Types
}

// integer is a number that is written as a JSON number or, for readers that
// have no large ones, as a string.
type integer struct{ *big.Int }

// newDocument returns a document with one primary type, S0, from which all
// others are reached, without cycles.
func newDocument(random *rand.Rand) map[string]any {
	g := &generator{random: random, types: apitypes.Types{}}
	structs := 1 + random.IntN(5)
	for i := range structs {
		var fields []apitypes.Type
		for j := range 1 + random.IntN(5) {
			base := g.primitive()
			if i+1 < structs && (j == 0 || random.IntN(4) == 0) {
				base = "S" + strconv.Itoa(i+1)
			}
			fields = append(fields, apitypes.Type{Name: fmt.Sprintf("m%d_%d", i, j), Type: base + g.dimensions()})
		}
		g.types["S"+strconv.Itoa(i)] = fields
	}
	domain := g.domain()
	return map[string]any{"types": g.types, "primaryType": "S0", "domain": domain, "message": g.structure("S0")}
}

// primitive returns the name of a primitive type.
func (g *generator) primitive() string {
	switch g.random.IntN(6) {
	case 0:
		return "address"
	case 1:
		return "bool"
	case 2:
		return "string"
	case 3:
		return []string{"bytes", "bytes" + strconv.Itoa(1+g.random.IntN(32))}[g.random.IntN(2)]
	case 4:
		return "int" + strconv.Itoa(8*(1+g.random.IntN(32)))
	default:
		return "uint" + strconv.Itoa(8*(1+g.random.IntN(32)))
	}
}

// dimensions returns no, one or several array dimensions.
func (g *generator) dimensions() string {
	var text strings.Builder
	for g.random.IntN(3) == 0 {
		text.WriteString([]string{"[]", "[1]", "[2]", "[3]"}[g.random.IntN(4)])
	}
	return text.String()
}

// domain returns a domain and defines its type in the usual order.
func (g *generator) domain() map[string]any {
	domain, fields := map[string]any{}, []apitypes.Type{}
	for _, field := range []apitypes.Type{
		{Name: "name", Type: "string"},
		{Name: "version", Type: "string"},
		{Name: "chainId", Type: "uint256"},
		{Name: "verifyingContract", Type: "address"},
		{Name: "salt", Type: "bytes32"},
	} {
		if g.random.IntN(2) == 0 && (field.Name != "salt" || len(fields) > 0) {
			continue
		}
		fields = append(fields, field)
		domain[field.Name] = g.value(field.Type)
		if domain[field.Name] == "" {
			domain[field.Name] = "x" // alone, it would leave the domain undefined
		}
	}
	g.types[domainType] = fields
	return domain
}

// structure returns a value of a struct type.
func (g *generator) structure(name string) map[string]any {
	members := map[string]any{}
	for _, field := range g.types[name] {
		members[field.Name] = g.value(field.Type)
	}
	return members
}

// value returns a value of any type.
func (g *generator) value(kind string) any {
	if inner, last, isArray := cutDimension(kind); isArray {
		length, err := strconv.Atoi(last)
		if err != nil {
			length = g.random.IntN(4)
		}
		elements := make([]any, length)
		for i := range elements {
			elements[i] = g.value(inner)
		}
		return elements
	}
	switch {
	case kind == "address":
		address := common.Address(g.bytes(20))
		return []string{address.Hex(), strings.ToLower(address.Hex())}[g.random.IntN(2)]
	case kind == "bool":
		return g.random.IntN(2) == 0
	case kind == "string":
		return []string{"", "a", "Grüße ⚡ \"\\\n", "𝄞\x00<>&", strings.Repeat("long ", 50)}[g.random.IntN(5)]
	case kind == "bytes":
		return hexutil.Encode(g.bytes(g.random.IntN(70)))
	case strings.HasPrefix(kind, "bytes"):
		size, _ := strconv.Atoi(strings.TrimPrefix(kind, "bytes"))
		return hexutil.Encode(g.bytes(size))
	case strings.HasPrefix(kind, "S"):
		return g.structure(kind)
	default:
		return g.integer(kind)
	}
}

// cutDimension splits the outermost dimension off an array type.
func cutDimension(kind string) (inner, length string, isArray bool) {
	if !strings.HasSuffix(kind, "]") {
		return "", "", false
	}
	at := strings.LastIndex(kind, "[")
	return kind[:at], kind[at+1 : len(kind)-1], true
}

// integer returns a number of a type, its limits more often than others.
func (g *generator) integer(kind string) any {
	size, _ := strconv.Atoi(strings.TrimLeft(kind, "uint"))
	least, most := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(size))
	if kind[0] == 'i' {
		most.Rsh(most, 1)
		least.Neg(most)
	}
	most.Sub(most, big.NewInt(1))
	number := new(big.Int).SetBytes(g.bytes(g.random.IntN(size/8 + 1)))
	switch {
	case g.random.IntN(5) == 0 || number.Cmp(most) > 0:
		number = most
	case g.random.IntN(5) == 0:
		number = least
	case kind[0] == 'i' && g.random.IntN(2) == 0:
		number.Neg(number)
	}
	switch {
	case g.random.IntN(3) == 0:
		return integer{number}
	case g.random.IntN(2) == 0 && number.Sign() >= 0:
		return fmt.Sprintf("%#x", number)
	default:
		return number.String()
	}
}

func (g *generator) bytes(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(g.random.UintN(256))
	}
	return data
}

// document returns the JSON of a document, with numbers or with strings.
func document(t testing.TB, tree any, quoteNumbers bool) []byte {
	t.Helper()
	text, err := json.Marshal(written(tree, quoteNumbers))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// written replaces integers by what is to be written for them.
func written(tree any, quoteNumbers bool) any {
	switch tree := tree.(type) {
	case integer:
		if quoteNumbers {
			return tree.String()
		}
		return json.Number(tree.String())
	case []any:
		elements := make([]any, len(tree))
		for i, element := range tree {
			elements[i] = written(element, quoteNumbers)
		}
		return elements
	case map[string]any:
		members := make(map[string]any, len(tree))
		for name, member := range tree {
			members[name] = written(member, quoteNumbers)
		}
		return members
	default:
		return tree
	}
}

// mutated returns a copy of a tree in which one value is replaced.
func mutated(random *rand.Rand, tree any) any {
	switch tree := tree.(type) {
	case []any:
		if len(tree) > 0 && random.IntN(4) > 0 {
			elements := slices.Clone(tree)
			at := random.IntN(len(elements))
			elements[at] = mutated(random, elements[at])
			return elements
		}
	case map[string]any:
		if len(tree) > 0 && random.IntN(8) > 0 {
			members := maps.Clone(tree)
			name := sortedNames(tree)[random.IntN(len(tree))]
			members[name] = mutated(random, members[name])
			return members
		}
	}
	values := []any{
		nil, true, "", "0x", "0x00", "0x" + strings.Repeat("ff", 20), "0x" + strings.Repeat("ff", 32), "0x1" + strings.Repeat("0", 64),
		"-1", "-129", "32768", "65536", "1.5", "abc",
		[]any{},
		[]any{"1", "2"},
		map[string]any{},
		integer{new(big.Int).Lsh(big.NewInt(1), 255)},
		integer{big.NewInt(-1)},
		integer{big.NewInt(255)},
	}
	return values[random.IntN(len(values))]
}
