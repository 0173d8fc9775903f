package calldata

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// words are 32-byte words that hold numbers.
func words(numbers ...uint64) []byte {
	var data []byte
	for _, n := range numbers {
		data = binary.BigEndian.AppendUint64(append(data, make([]byte, 24)...), n)
	}
	return data
}

// repeated is so many times the same word.
func repeated(word uint64, n int) []byte { return bytes.Repeat(words(word), n) }

// TestBounded: an encoding without shared parts passes, and so does data that is too
// short, about which the decoder says more. What decodes to far more than itself does not.
func TestBounded(t *testing.T) {
	t.Parallel()
	const many = 1 << 15 // more words than an encoding may claim beyond its length
	for name, tt := range map[string]struct {
		kinds string
		data  []byte
		want  bool
	}{
		"nothing":              {"()", nil, true},
		"words":                {"(address,uint256)", words(1, 2), true},
		"a list":               {"(uint256[])", words(32, 2, 5, 6), true},
		"a long list":          {"(uint256[])", append(words(32, many), repeated(7, many)...), true},
		"a long text":          {"(string,bytes)", bytes.Join([][]byte{words(64, 96+32*many, 32*many), make([]byte, 32*many), words(32 * many), make([]byte, 32*many)}, nil), true},
		"lists of lists":       {"(uint256[2][],string[2])", append(words(64, 224, 2, 1, 2, 3, 4), words(64, 128, 1, 0, 1, 0)...), true},
		"a long list of pairs": {"((uint256,bool)[])", append(words(32, many), repeated(1, 2*many)...), true},
		"a static tuple":       {"((uint256,(bool,address[2])),uint8)", words(1, 1, 2, 3, 4), true},
		"a dynamic tuple":      {"((uint256,string),bytes)", words(64, 160, 7, 64, 0, 0), true},

		"too short":                  {"(address,uint256)", words(1), true},
		"an offset beyond":           {"(uint256[])", words(1 << 40), true},
		"a length beyond":            {"(uint256[])", words(32, 1<<40), true},
		"a text beyond":              {"(string)", words(32, 1<<40), true},
		"a list that is cut short":   {"(uint256[])", words(32, 3, 5), true},
		"an array that is cut short": {"(uint256[4])", words(1), true},
		"one word less than may be":  {"(uint256[16385])", words(1), true},

		"an array of an absurd length":    {"(uint256[1000000000])", words(1), false},
		"one word more than may be":       {"(uint256[16386])", words(1), false},
		"an array of arrays of one":       {"(uint256[1000000][1000000][1000000])", words(1), false},
		"a tuple of absurd arrays":        {"((uint256[10000],uint256[10000]))", words(1), false},
		"lists at one place":              {"(uint256[][])", bytes.Join([][]byte{words(32, 1000), repeated(32000, 1000), words(1000), repeated(7, 1000)}, nil), false},
		"texts at one place":              {"(bytes[])", bytes.Join([][]byte{words(32, 1000), repeated(32000, 1000), words(32000), make([]byte, 32000)}, nil), false},
		"tuples at one place":             {"((uint256[])[])", bytes.Join([][]byte{words(32, 1000), repeated(32000, 1000), words(32, 1000), repeated(7, 1000)}, nil), false},
		"arrays of lists at one place":    {"(uint256[][1000])", bytes.Join([][]byte{words(32), repeated(32000, 1000), words(1000), repeated(7, 1000)}, nil), false},
		"a list that claims all its data": {"(uint256[100][])", append(words(32, 32000), make([]byte, 32000)...), false},
		"a list in itself":                {"(uint256[][][][][])", append(words(32, 500), repeated(0, 500)...), true},
		"nothing, many times":             {"(uint256[0][])", append(words(32, 32*many), make([]byte, 32*many)...), false},
	} {
		method, err := Parse("f" + tt.kinds)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := bounded(method.Inputs, tt.data); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if _, err := method.Unpack(append(method.ID[:4:4], tt.data...)); tt.want == (err != nil && strings.Contains(err.Error(), "far more than the call data")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
