package facts

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"reflect"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// words are 32-byte words that hold numbers.
func words(numbers ...uint64) []byte {
	data := make([]byte, 0, 32*len(numbers))
	for _, n := range numbers {
		data = binary.BigEndian.AppendUint64(append(data, make([]byte, 24)...), n)
	}
	return data
}

// selectorOf is the first four bytes of a method's call data.
func selectorOf(t testing.TB, signature string) []byte {
	t.Helper()
	for selector, m := range methods() {
		if m.Sig == signature {
			return selector[:]
		}
	}
	t.Fatalf("%s is not known", signature)
	return nil
}

// attacks are calls that are made to cost much, of about a size.
func attacks(t testing.TB, size int) map[string][]byte {
	t.Helper()
	multicall := selectorOf(t, "multicall(bytes[])")
	with := func(signature string, data ...[]byte) []byte {
		return append(bytes.Clone(selectorOf(t, signature)), bytes.Join(data, nil)...)
	}
	count := uint64(size / 32)

	// All elements point at one place.
	shared := words(32, count)
	for range count {
		shared = append(shared, words(32*count)...)
	}
	shared = append(shared, words(uint64(size))...)
	shared = append(shared, make([]byte, size)...)

	// An element is the list that holds it.
	own := words(32, 1, 0)

	empty := make([][]byte, count/2)
	deep := make([]byte, size/2/32*32)
	for range MaxDepth + 4 {
		deep = calldatatest.Pack(t, "multicall(bytes[])", [][]byte{deep})
	}
	many := make([][]byte, count/2)
	for i := range many {
		many[i] = multicall
	}
	bushy := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	for len(bushy) < size/4 {
		bushy = calldatatest.Pack(t, "multicall(bytes[])", [][]byte{bushy, bushy, bushy, bushy})
	}
	calls := make([]byte, size/85*85)
	return map[string][]byte{
		"elements at one place": append(bytes.Clone(multicall), shared...),
		"a list in itself":      append(bytes.Clone(multicall), own...),
		"an absurd length":      append(bytes.Clone(multicall), words(32, 1<<62)...),
		"lists at one place":    with("safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", words(1, 2, 160, 160, 160, count), make([]byte, size)),
		"many empty calls":      calldatatest.Pack(t, "multicall(bytes[])", empty),
		"many malformed calls":  calldatatest.Pack(t, "multicall(bytes[])", many),
		"deep":                  deep,
		"bushy":                 bushy,
		"a batch of nothing":    calldatatest.Pack(t, multiSendSignature, calls),
		"zeros":                 with("handleOps((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[],address)", make([]byte, size/32*32)),
		"many ids":              calldatatest.Pack(t, "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", payee, payee, numbers(size/32), []*big.Int{}, []byte{}),
	}
}

func numbers(n int) []*big.Int {
	all := make([]*big.Int, n)
	for i := range all {
		all[i] = big.NewInt(int64(i))
	}
	return all
}

// TestAttacksAreCheap: what a call costs is in proportion to its length, and the
// rest is said to be hidden.
func TestAttacksAreCheap(t *testing.T) {
	const size = 1 << 20
	for name, data := range attacks(t, size) {
		var before, after runtime.MemStats
		to := token
		req := call(&to, 0, data)
		runtime.ReadMemStats(&before)
		f := Of(req, noon())
		runtime.ReadMemStats(&after)
		checkActions(t, f.Actions)
		if used := (after.TotalAlloc - before.TotalAlloc) / uint64(len(data)+1<<16); used > 100 {
			t.Errorf("%s: %d bytes for each of the call's", name, used)
		}
		hidden := false
		for _, a := range f.Actions {
			hidden = hidden || a.Opaque != "" || a.Decoding == Unknown
		}
		if !hidden {
			t.Errorf("%s: nothing is hidden in %d actions", name, len(f.Actions))
		}
	}
}

// TestEveryMethod: each of the tables reads the arguments that its signature has.
func TestEveryMethod(t *testing.T) {
	for _, m := range methods() {
		for _, filled := range []int{0, 1, 3} {
			arguments := make([]any, len(m.Inputs))
			for i := range m.Inputs {
				arguments[i] = sample(&m.Inputs[i].Type, filled).Interface()
			}
			input, err := m.Inputs.Pack(arguments...)
			if err != nil {
				t.Fatalf("%s: %v", m.Sig, err)
			}
			to := token
			f := Of(call(&to, 0, append(bytes.Clone(m.ID), input...)), noon())
			checkActions(t, f.Actions)
			if a := f.Actions[0]; a.Decoding != Known || a.Name != m.RawName || a.Call == nil || a.Call.Method != m.Sig {
				t.Errorf("%s: %+v", m.Sig, a)
			} else if m.inner != nil && filled > 0 && a.Inner == 0 && a.Opaque == "" {
				t.Errorf("%s: nothing lies within", m.Sig)
			}
		}
	}
}

// sample is a value of a type: lists of some length, and numbers likewise.
func sample(t *abi.Type, n int) reflect.Value {
	value := reflect.New(t.GetType()).Elem()
	switch t.T {
	case abi.SliceTy:
		value.Set(reflect.MakeSlice(value.Type(), n, n))
		for i := range n {
			value.Index(i).Set(sample(t.Elem, n))
		}
	case abi.TupleTy:
		for i, elem := range t.TupleElems {
			value.Field(i).Set(sample(elem, n))
		}
	case abi.BytesTy:
		value.SetBytes(bytes.Repeat([]byte{1}, n))
	case abi.BoolTy:
		value.SetBool(n > 0)
	case abi.UintTy:
		if value.Kind() == reflect.Pointer {
			value.Set(reflect.ValueOf(big.NewInt(int64(n))))
		} else {
			value.SetUint(uint64(n)) // #nosec G115 -- of a test
		}
	}
	return value
}

// FuzzMultiSend: a batch is read to its last byte, or said to be malformed, and
// putting what was read together gives the batch.
func FuzzMultiSend(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add(make([]byte, 85), true)
	f.Add(append(make([]byte, 84), 3, 1, 2, 3), false)
	f.Add(append(make([]byte, 53), bytes.Repeat([]byte{0xff}, 40)...), true)
	f.Fuzz(func(t *testing.T, packed []byte, delegate bool) {
		to := safeBatch()
		a := Action{From: sender, To: &to, Delegate: delegate}
		within := multiSend(&a, values{packed})
		if len(within.actions) > MaxActions+1 {
			t.Fatalf("%d calls", len(within.actions))
		}
		var again []byte
		for _, b := range within.actions {
			operation := byte(0)
			if b.Delegate {
				operation = 1
			}
			value, length := b.Value.Bytes32(), uint256.NewInt(uint64(len(b.Data))).Bytes32()
			again = bytes.Join([][]byte{again, {operation}, b.To[:], value[:], length[:], b.Data}, nil)
			if from := map[bool]common.Address{true: sender, false: to}[delegate]; b.From != from {
				t.Fatalf("in the name of %s", b.From)
			}
			if *b.To == (common.Address{}) && within.opaque == "" {
				t.Fatal("a call of the zero address")
			}
		}
		whole := bytes.Equal(again, packed)
		if !bytes.HasPrefix(packed, again) || !whole && within.opaque == "" && len(within.actions) <= MaxActions {
			t.Fatalf("%x was read as %x, %q", packed, again, within.opaque)
		}
	})
}

// BenchmarkAttacks measures calls of 5 MiB.
func BenchmarkAttacks(b *testing.B) {
	for name, data := range attacks(b, 5<<20) {
		b.Run(name, func(b *testing.B) {
			to := token
			req := call(&to, 0, data)
			b.ReportAllocs()
			for b.Loop() {
				Of(req, noon())
			}
		})
	}
}
