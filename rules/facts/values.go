package facts

import (
	"fmt"
	"math/big"
	"reflect"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// values are decoded arguments. The types of a method fix those of its values,
// and the tables of methods ask for no others.
type values []any

func (v values) address(i int) common.Address { return as[common.Address](v[i]) }
func (v values) amount(i int) uint256.Int     { return saturated(as[*big.Int](v[i])) }
func (v values) bytes(i int) []byte           { return as[[]byte](v[i]) }
func (v values) truth(i int) bool             { return as[bool](v[i]) }
func (v values) small(i int) uint8            { return as[uint8](v[i]) }
func (v values) numbers(i int) []*big.Int     { return as[[]*big.Int](v[i]) }

// as is a value of the type that the method gives it. Another one is a mistake
// in a table of methods.
func as[T any](v any) T {
	value, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("an argument is a %T, not a %T", v, value))
	}
	return value
}

// tuple returns the members of a tuple.
func (v values) tuple(i int) values { return members(reflect.ValueOf(v[i])) }

// tuples returns the members of each tuple of an array: of one more than are
// looked at, so that it is noticed that there are more.
func (v values) tuples(i int) []values {
	list := reflect.ValueOf(v[i])
	all := make([]values, min(list.Len(), MaxActions+1))
	for j := range all {
		all[j] = members(list.Index(j))
	}
	return all
}

func members(tuple reflect.Value) values {
	all := make(values, tuple.NumField())
	for i := range all {
		all[i] = tuple.Field(i).Interface()
	}
	return all
}
