package extapi

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// chains are the chain ids that the signer signs for.
type chains []*big.Int

// largestChainID is the largest id with which v of a legacy signature still
// fits 64 bits (EIP-2294).
var largestChainID = new(big.Int).SetUint64((1<<64-1)/2 - 36)

// newChains checks the configured chain ids and copies them.
func newChains(ids []*big.Int) (chains, error) {
	if len(ids) == 0 {
		return nil, errors.New("no chain id is configured: name at least one")
	}
	var list chains
	for _, id := range ids {
		if id == nil || id.Sign() <= 0 || id.Cmp(largestChainID) > 0 {
			return nil, fmt.Errorf("chain id %v is out of range: want 1 to %v (EIP-2294)", id, largestChainID)
		}
		if !list.contains(id) {
			list = append(list, new(big.Int).Set(id))
		}
	}
	return list, nil
}

// contains reports whether the signer signs for a chain.
func (c chains) contains(id *big.Int) bool {
	for _, known := range c {
		if known.Cmp(id) == 0 {
			return true
		}
	}
	return false
}

// choose returns the chain of a request that names one, or not. As in Clef, an
// absent chain id is the signer's, but only where that is a single one.
func (c chains) choose(requested *big.Int) (*big.Int, error) {
	switch {
	case requested == nil && len(c) == 1:
		return c[0], nil
	case requested == nil:
		return nil, refuse("chainId is missing: this signer signs for chains %s, name one of them", c)
	case !c.contains(requested):
		return nil, refuse("requested chainid %v does not match the configuration of the signer", requested)
	default:
		return new(big.Int).Set(requested), nil
	}
}

// String lists the chain ids.
func (c chains) String() string {
	ids := make([]string, len(c))
	for i, id := range c {
		ids[i] = id.String()
	}
	return strings.Join(ids, ", ")
}
