package extapi

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// strange is a signature that nobody knows, which makes types that stay.
func strange(i int) string {
	return fmt.Sprintf("f((uint8[%d]),(uint8[%d]),(uint8[%d]),(uint8[%d]))", 4*i+1, 4*i+2, 4*i+3, 4*i+4)
}

// bring has a principal send a signature, with call data of another if that is given.
func bring(v *Validator, principal, signature, other string) []apitypes.ValidationInfo {
	data := make([]byte, 36)
	copy(data, crypto.Keccak256([]byte(cmp.Or(other, signature)))[:4])
	var found apitypes.ValidationMessages
	v.findInCallData(principal, &signature, data, &found)
	return found.Messages
}

func refusedFor(found []apitypes.ValidationInfo, text string) bool {
	return len(found) == 1 && found[0].Typ == apitypes.WARN && strings.Contains(found[0].Message, text)
}

// TestCallersSignaturesDoNotFillMemory sends many different signatures, each
// of which makes Go types that are never freed.
func TestCallersSignaturesDoNotFillMemory(t *testing.T) {
	validator, err := NewValidator("")
	if err != nil {
		t.Fatal(err)
	}
	caller := func(i int) string { return fmt.Sprint("caller", i/maxCompoundOfOne) }
	for i := range maxCompound {
		if found := bring(validator, caller(i), strange(i), ""); refusedFor(found, "have supplied") {
			t.Fatalf("signature %d: %v", i, found)
		}
	}
	before := heapAfterGC()
	const more = 2000
	for i := range more {
		if found := bring(validator, caller(i+maxCompound), strange(i+maxCompound), ""); !refusedFor(found, "callers have supplied 512 ") {
			t.Fatalf("signature %d: %v", i+maxCompound, found)
		}
	}
	if kept := heapAfterGC() - before; kept > 1<<20 {
		t.Errorf("%d more signatures keep %d bytes, want next to none", more, kept)
	}
	if kept := len(validator.compound.brought); kept > maxCompound {
		t.Errorf("%d callers are remembered", kept)
	}
}

// TestOneCallersSignatures: who has brought as many as one may leaves the others theirs,
// and what is not the signature of the call data does not count.
func TestOneCallersSignatures(t *testing.T) {
	validator, err := NewValidator("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxCompound {
		if found := bring(validator, "batcher", strange(i), "g()"); !refusedFor(found, "no method with id") {
			t.Fatalf("with call data of another: %v", found)
		}
	}
	for i := range maxCompoundOfOne {
		for range 2 {
			if found := bring(validator, "mallory", strange(i), ""); refusedFor(found, "has supplied") {
				t.Fatalf("signature %d: %v", i, found)
			}
		}
	}
	next := strange(maxCompoundOfOne)
	if found := bring(validator, "mallory", next, ""); !refusedFor(found, "this caller has supplied 64 ") {
		t.Errorf("beyond the bound: %v", found)
	}
	if found := bring(validator, "batcher", next, ""); refusedFor(found, "supplied") {
		t.Errorf("another caller: %v", found)
	}
	if found := bring(validator, "mallory", next, ""); refusedFor(found, "supplied") {
		t.Errorf("what another has brought: %v", found)
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
		if err := validator.compound.admit(fmt.Sprint(i%16), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for signature, want := range map[string]bool{
		"transfer(address,uint256)":                true,
		"multicall(bytes[])":                       true, // in go-ethereum's selectors
		"somethingThatNobodyKnows(uint256)":        true,
		"somethingThatNobodyKnows(uint256[])":      false,
		"somethingThatNobodyKnows((uint256,bool))": false,
	} {
		id := [4]byte(crypto.Keccak256([]byte(signature)))
		if err := validator.admits("batcher", signature, id); (err == nil) != want {
			t.Errorf("%s: %v, want it admitted: %t", signature, err, want)
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
