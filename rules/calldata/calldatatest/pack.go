// Package calldatatest makes call data for tests. It never stands in for what
// makes it in production.
package calldatatest

import (
	"testing"

	"github.com/kvclef/kvclef/rules/calldata"
)

// Pack encodes a call of the method with a signature, such as
// "transfer(address,uint256)". Members of tuples are known by their place.
func Pack(t testing.TB, signature string, arguments ...any) []byte {
	t.Helper()
	method, err := calldata.Parse(signature)
	if err != nil {
		t.Fatal(err)
	}
	input, err := method.Inputs.Pack(arguments...)
	if err != nil {
		t.Fatalf("%s: %v", signature, err)
	}
	return append(method.ID, input...)
}
