package rulestest

import (
	"encoding/json"
	"strings"

	"github.com/ethereum/go-ethereum/common/math"
)

// defaultChain is the chain of a request that names none, as in Clef.
const defaultChain = 1

// chainID returns the chain that a request names: in a transaction, in a Safe
// transaction, in a block payload, or in the domain of typed data. What can't be read is for the
// decoder to refuse.
func (r Request) chainID() uint64 {
	var params []json.RawMessage
	_ = json.Unmarshal(r.Params, &params) // nil: the decoder says what is wrong
	for _, param := range params {
		var named struct {
			ChainID json.RawMessage `json:"chainId"`
			Domain  json.RawMessage `json:"domain"`
		}
		var domain struct {
			ChainID json.RawMessage `json:"chainId"`
		}
		if json.Unmarshal(param, &named) != nil {
			continue
		}
		_ = json.Unmarshal(named.Domain, &domain) // nil, but of typed data
		for _, value := range []json.RawMessage{named.ChainID, domain.ChainID} {
			if id, ok := math.ParseUint64(strings.Trim(string(value), `"`)); ok && id > 0 {
				return id
			}
		}
	}
	return defaultChain
}
