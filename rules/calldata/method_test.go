package calldata_test

import (
	"bytes"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

const transfer = "transfer(address,uint256)"

// parse is a method that there is.
func parse(t testing.TB, signature string) *calldata.Method {
	t.Helper()
	method, err := calldata.Parse(signature)
	if err != nil {
		t.Fatal(err)
	}
	return method
}

// payee is who is paid in tests.
func payee() common.Address {
	return common.HexToAddress("0x4444444444444444444444444444444444444444")
}

// TestDecode: a call is decoded, whichever way, by many at once.
func TestDecode(t *testing.T) {
	method, data := parse(t, transfer), calldatatest.Pack(t, transfer, payee(), big.NewInt(5))
	once, err := calldata.Decode(transfer, data)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			call, err := method.Decode(data)
			if err != nil || !reflect.DeepEqual(call, once) {
				t.Errorf("got %+v, %v; want %+v", call, err, once)
			}
		})
	}
	all.Wait()
	if once.Method != transfer || once.Selector != method.Selector() || once.Text != "transfer(address: 0x4444444444444444444444444444444444444444,uint256: 5)" ||
		!reflect.DeepEqual(once.Types, []string{"address", "uint256"}) || !reflect.DeepEqual(once.Arguments, []any{payee(), big.NewInt(5)}) {
		t.Errorf("got %+v", once)
	}
}

// TestSelector is that of the method, for which types are made.
func TestSelector(t *testing.T) {
	for _, signature := range []string{
		transfer, "f()", "$f_1(bytes[])", "f((uint256,bool)[],string)", "f(((bytes32[2][]),address)[],(int8))", "f(tuple,tuple[])", "f(uint8[03])",
		"f((uint8)xuint8)", // go-ethereum takes anything for the comma
	} {
		if got, err := calldata.Selector(signature); err != nil || got != parse(t, signature).Selector() {
			t.Errorf("%s: %x, %v", signature, got, err)
		}
	}
	for _, signature := range []string{"f", "f(", "", "f(uint8" + strings.Repeat("[]", calldata.MaxNesting) + ")"} {
		if got, err := calldata.Selector(signature); err == nil {
			t.Errorf("%s: %x", signature, got)
		}
	}
}

// TestDecodeRefuses what is not the one encoding of a call.
func TestDecodeRefuses(t *testing.T) {
	method, data := parse(t, transfer), calldatatest.Pack(t, transfer, payee(), big.NewInt(5))
	dirty := bytes.Clone(data)
	dirty[4] = 1
	other := bytes.Clone(data)
	other[0]++
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, "no selector"},
		"three bytes":     {data[:3], "no selector"},
		"no whole words":  {data[:len(data)-1], "multiple of 32"},
		"a word short":    {data[:len(data)-32], "arguments mismatch"},
		"a word more":     {append(bytes.Clone(data), make([]byte, 32)...), "stuffed with extra data"},
		"a dirty address": {dirty, "stuffed with extra data"},
		"another method":  {other, "no method with id"},
	} {
		if call, err := method.Decode(tt.data); err == nil || call != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %+v, %v", name, call, err)
		}
	}
}

// TestParseRefuses what is no signature, or one that is too deep.
func TestParseRefuses(t *testing.T) {
	for _, signature := range []string{
		"", "transfer", "transfer(", "transfer(address", "transfer(address))", "transfer(nothing)", "(address)",
		"f(uint8" + strings.Repeat("[]", calldata.MaxNesting) + ")",
		"f(" + strings.Repeat("(", 5000) + "uint8" + strings.Repeat(")", 5000) + ")",
	} {
		if method, err := calldata.Parse(signature); err == nil {
			t.Errorf("%.40q: %v", signature, method)
		}
		if call, err := calldata.Decode(signature, make([]byte, 36)); err == nil {
			t.Errorf("%.40q: decoded: %v", signature, call)
		}
	}
	if _, err := calldata.Parse("f(uint8" + strings.Repeat("[]", calldata.MaxNesting-1) + ")"); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: what is decoded gives the data again, and nothing panics.
func FuzzDecode(f *testing.F) {
	signatures := []string{
		transfer, "multicall(bytes[])", "f(uint256[][],(string,bool,int8[2])[])", "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
		"f(uint256[576460752303423489])", "f(uint256[0][1000000000])", "f()",
	}
	methods := make([]*calldata.Method, len(signatures))
	for i, signature := range signatures {
		methods[i] = parse(f, signature)
		f.Add(uint8(i), make([]byte, 160)) // #nosec G115 -- of a few
	}
	f.Add(uint8(0), calldatatest.Pack(f, transfer, payee(), big.NewInt(5))[4:])
	f.Add(uint8(1), calldatatest.Pack(f, "multicall(bytes[])", [][]byte{{1}, {}})[4:])
	f.Fuzz(func(t *testing.T, which uint8, input []byte) {
		method := methods[int(which)%len(methods)]
		data := append(bytes.Clone(method.ID), input...)
		call, err := method.Decode(data)
		if err != nil {
			return
		}
		again, err := method.Inputs.Pack(call.Arguments...)
		if err != nil || !bytes.Equal(again, input) {
			t.Fatalf("%x was decoded as %v, which is %x (%v)", input, call.Arguments, again, err)
		}
	})
}

// BenchmarkUnpack measures decoding without and with the text for people.
func BenchmarkUnpack(b *testing.B) {
	method, data := parse(b, transfer), calldatatest.Pack(b, transfer, payee(), big.NewInt(5))
	b.Run("values", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := method.Unpack(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("call", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := method.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
