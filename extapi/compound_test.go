package extapi

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// TestCallersSignaturesDoNotFillMemory sends many different signatures, each
// of which makes Go types that are never freed.
func TestCallersSignaturesDoNotFillMemory(t *testing.T) {
	validator, err := NewValidator("")
	if err != nil {
		t.Fatal(err)
	}
	send := func(i int) apitypes.ValidationMessages {
		signature := fmt.Sprintf("f((uint8[%d]),(uint8[%d]),(uint8[%d]),(uint8[%d]))", 4*i+1, 4*i+2, 4*i+3, 4*i+4)
		data := make([]byte, 36)
		copy(data, crypto.Keccak256([]byte(signature))[:4])
		var found apitypes.ValidationMessages
		validator.findInCallData(&signature, data, &found)
		return found
	}
	for i := range maxCompound {
		send(i)
	}
	before := heapAfterGC()
	const more = 2000
	for i := range more {
		send(maxCompound + i)
	}
	if kept := heapAfterGC() - before; kept > 1<<20 {
		t.Errorf("%d more signatures keep %d bytes, want next to none", more, kept)
	}
	if found := send(maxCompound + more); len(found.Messages) != 1 || found.Messages[0].Typ != apitypes.WARN {
		t.Errorf("a signature beyond the bound: %v, want one warning", found.Messages)
	}
}

// TestKnownSignaturesPassTheBound decodes with plain and known signatures
// after callers have used up the bound.
func TestKnownSignaturesPassTheBound(t *testing.T) {
	validator, err := NewValidator("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxCompound {
		validator.compound.admit(fmt.Sprint(i))
	}
	for signature, want := range map[string]bool{
		"transfer(address,uint256)":                true,
		"multicall(bytes[])":                       true, // in go-ethereum's selectors
		"somethingThatNobodyKnows(uint256)":        true,
		"somethingThatNobodyKnows(uint256[])":      false,
		"somethingThatNobodyKnows((uint256,bool))": false,
	} {
		id := [4]byte(crypto.Keccak256([]byte(signature)))
		if got := validator.admits(signature, id); got != want {
			t.Errorf("%s: admitted %t, want %t", signature, got, want)
		}
	}
}

func heapAfterGC() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
