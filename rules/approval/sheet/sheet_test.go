package sheet

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// about is a ticket about a subject.
func about(subject []byte) *approval.Ticket {
	return &approval.Ticket{State: approval.StateOpen, Content: approval.Content{
		ID: "abcdefgh234567ab", Subject: subject, Quorums: []rules.Quorum{{Group: "g", Threshold: 1, Of: []string{"alice"}}},
	}}
}

// inert reports the first character of a text that is not shown as it is.
func inert(text string) int {
	return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (!unicode.IsPrint(r) || blank(r)) })
}

// FuzzTypedData: whatever is to be signed, its sheet is made, and does nothing but be
// read.
func FuzzTypedData(f *testing.F) {
	for _, seed := range []string{
		`{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"A":[{"name":"a","type":"A[]"},{"name":"b","type":"uint256[2][]"}]},"primaryType":"A","domain":{"name":"\u202e"},"message":{"a":[{"a":[]}],"b":[["0x1",2]]}}`,
		`{"types":{"A":[{"name":"a","type":"A"}]},"primaryType":"A","message":{"a":{"a":{"a":null}}}}`,
		`{"types":null,"message":{"x":1}}`, `[]`, `{"types":{"[]":[{"name":"","type":"[]"}]},"primaryType":"[]","message":{"":[]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if !json.Valid([]byte(data)) {
			return
		}
		subject, err := json.Marshal(approval.Subject{Kind: "typed data", TypedData: json.RawMessage(data)})
		if err != nil {
			return
		}
		s, err := Of(about(subject), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, warning := range s.Warnings {
			if inert(warning) >= 0 {
				t.Errorf("warning %q", warning)
			}
		}
		for _, section := range s.Sections {
			for _, fact := range section.Facts {
				if inert(fact.Text) >= 0 || inert(fact.Name+fact.Type+fact.Note) >= 0 || strings.Contains(fact.Name+fact.Type+fact.Note, "\n") || fact.Depth > MaxDepth {
					t.Errorf("fact %#v", fact)
				}
			}
		}
	})
}

// FuzzInert: what is shown prints, and the text can be told from it.
func FuzzInert(f *testing.F) {
	for _, seed := range []string{"plain", "a\nb", "\\n", "\x1b[2J", "\u202e", "\xff", "\u3164", "\U000e0100", `"'`} {
		f.Add(seed, seed+"x")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		shown := Inert(text)
		if inert(shown) >= 0 || strings.Contains(shown, "\n") {
			t.Errorf("%q", shown)
		}
		if text != other && shown == Inert(other) {
			t.Errorf("%q and %q look the same: %s", text, other, shown)
		}
	})
}

// TestDeepTypedData: no depth makes the page large.
func TestDeepTypedData(t *testing.T) {
	t.Parallel()
	const depth = 4000
	data := `{"types":{"A":[{"name":"a","type":"A"}]},"primaryType":"A","domain":{},"message":` + strings.Repeat(`{"a":`, depth) + "null" + strings.Repeat("}", depth) + "}"
	subject, err := json.Marshal(approval.Subject{TypedData: json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Of(about(subject), Options{})
	if err != nil {
		t.Fatal(err)
	}
	deepest := 0
	for _, section := range s.Sections {
		for _, fact := range section.Facts {
			deepest = max(deepest, fact.Depth)
		}
	}
	if deepest != MaxDepth {
		t.Errorf("the deepest is at %d", deepest)
	}
}

// TestAddresses: each is found once, and hashes and data are none.
func TestAddresses(t *testing.T) {
	t.Parallel()
	one, two := common.HexToAddress("0x1111111111111111111111111111111111111111"), common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	found := Addresses(about([]byte(`{"a":"` + one.Hex() + `","b":["` + strings.ToLower(two.Hex()) + `","` + two.Hex() + `"],"c":"0x` + strings.Repeat("1", 64) + `"}`)))
	if len(found) != 2 || found[0] != one || found[1] != two {
		t.Errorf("found %v", found)
	}
	var many strings.Builder
	for i := range MaxAddresses + 10 {
		many.WriteString(common.BigToAddress(big.NewInt(int64(i+1))).Hex() + " ")
	}
	if found := Addresses(about([]byte(many.String()))); len(found) != MaxAddresses {
		t.Errorf("found %d", len(found))
	}
}
