package outbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// prefixDrafts begins the keys of drafts: draft/SCOPE/SHA-256 of who asks for what.
const prefixDrafts = "draft/"

// asked is a request as its caller made it: who asks, and the hash of what.
type asked struct{ principal, request string }

// key is the key of the draft of a request in a scope.
func (a asked) key(scope string) string {
	sum := sha256.Sum256([]byte(a.principal + "\x00" + a.request)) // no name has a zero byte
	return prefixDrafts + scope + "/" + hex.EncodeToString(sum[:])
}

// parkedRecord is the value of a draft's record.
type parkedRecord struct {
	Version   int       `json:"version"`
	Principal string    `json:"principal"`
	Request   string    `json:"request"` // SHA-256 of what was asked, hexadecimal
	Asked     time.Time `json:"asked"`   // when it was asked for last, or not much earlier
	Chain     *big.Int  `json:"chain"`
	Nonce     uint64    `json:"nonce"`
	Filled    filling   `json:"filled"`

	// Change is of one change alone, where others keep drafts too: what another has kept is
	// not taken for what was kept here, and not removed in its place.
	Change string `json:"change,omitempty"`
}

// filling is what was filled in of a transaction, but for what follows from the rest.
type filling struct {
	ChainID    *hexutil.Big    `json:"chain_id,omitempty"`
	Gas        *hexutil.Uint64 `json:"gas,omitempty"`
	GasPrice   *hexutil.Big    `json:"gas_price,omitempty"`
	FeeCap     *hexutil.Big    `json:"fee_cap,omitempty"`
	TipCap     *hexutil.Big    `json:"tip_cap,omitempty"`
	BlobFeeCap *hexutil.Big    `json:"blob_fee_cap,omitempty"`
	AccessList bool            `json:"access_list,omitempty"` // an empty one, which makes the type
}

// filling returns what was filled in of a draft.
func (d *draft) filling() (f filling, err error) {
	for _, name := range d.filled {
		switch name {
		case "chainId":
			f.ChainID = d.tx.ChainID
		case "gas":
			f.Gas = &d.tx.Gas
		case "gasPrice":
			f.GasPrice = d.tx.GasPrice
		case "maxFeePerGas":
			f.FeeCap = d.tx.MaxFeePerGas
		case "maxPriorityFeePerGas":
			f.TipCap = d.tx.MaxPriorityFeePerGas
		case "maxFeePerBlobGas":
			f.BlobFeeCap = d.tx.BlobFeeCap
		case "accessList":
			f.AccessList = true
		case "blobVersion", "blobVersionedHashes": // they follow from the blobs
		default:
			return f, fmt.Errorf("a draft with %q filled in can't be kept", name)
		}
	}
	return f, nil
}

// fillIn fills a draft in as another one was. What its caller gave stays, whatever the
// record of the other says: others may write records, too.
func (d *draft) fillIn(f *filling) {
	for _, fee := range []struct {
		name string
		from *hexutil.Big
		into **hexutil.Big
	}{
		{"chainId", f.ChainID, &d.tx.ChainID},
		{"gasPrice", f.GasPrice, &d.tx.GasPrice},
		{"maxFeePerGas", f.FeeCap, &d.tx.MaxFeePerGas},
		{"maxPriorityFeePerGas", f.TipCap, &d.tx.MaxPriorityFeePerGas},
		{"maxFeePerBlobGas", f.BlobFeeCap, &d.tx.BlobFeeCap},
	} {
		if fee.from != nil && *fee.into == nil {
			*fee.into = fee.from
			d.add(fee.name)
		}
	}
	if f.Gas != nil && !d.tx.HasGas {
		d.tx.Gas, d.tx.HasGas = *f.Gas, true
		d.add("gas")
	}
	if f.AccessList && d.tx.AccessList == nil {
		d.tx.AccessList = new(types.AccessList)
		d.add("accessList")
	}
}

// encode returns the value of the record.
func (r *parkedRecord) encode() ([]byte, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a draft: %w", err)
	}
	return value, nil
}

// decodeParked reads the record of a draft. It refuses what this version did not write.
func decodeParked(key string, value []byte) (*parkedRecord, error) {
	r := new(parkedRecord)
	scope, _, _ := strings.Cut(strings.TrimPrefix(key, prefixDrafts), "/")
	err := decodeStrictly(value, r)
	switch {
	case err != nil:
	case r.Chain == nil || r.Chain.Sign() <= 0 || r.Chain.BitLen() > 64:
		err = errors.New("it is of no chain")
	case asked{r.Principal, r.Request}.key(scope) != key:
		err = errors.New("it is of another request")
	}
	if err != nil {
		return nil, fmt.Errorf("reading record %s: %w", key, err)
	}
	return r, nil
}

// unreadable is what is known of a draft that can't be read: when it was asked for, as far
// as it says that. One that doesn't is old.
func unreadable(value []byte) *parkedRecord {
	var r struct {
		Asked time.Time `json:"asked"`
	}
	if json.Unmarshal(value, &r) != nil {
		return new(parkedRecord)
	}
	return &parkedRecord{Asked: r.Asked}
}

// says reports whether two drafts of a request make the same transaction.
func (r *parkedRecord) says(other *parkedRecord) bool {
	alike := *other
	alike.Asked, alike.Change = r.Asked, r.Change
	mine, err := r.encode()
	theirs, failed := alike.encode()
	return err == nil && failed == nil && bytes.Equal(mine, theirs)
}

// olderThan reports whether a draft was not asked for so long. A clock that is ahead, here
// or where it was kept, does not keep it for ever.
func (r *parkedRecord) olderThan(age time.Duration, now time.Time) bool {
	return now.Sub(r.Asked).Abs() > age
}
