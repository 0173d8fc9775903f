package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
)

// recordVersion is of the values of all records. Other versions are not read.
const recordVersion = 1

// Prefixes of the keys of records.
const (
	prefixTransactions = "tx/"   // tx/CHAIN/ACCOUNT/NONCE/HASH
	prefixLanes        = "lane/" // lane/CHAIN/ACCOUNT
	prefixKeys         = "idem/" // idem/SCOPE/SHA-256 of the key
)

// record is the value of a transaction's record. Its state is never sent, which is
// known to the process alone: to all others such a transaction is unsure.
type record struct {
	Version int `json:"version"`
	Transaction
	Bytes []byte `json:"bytes,omitempty"` // the raw transaction, dropped when nobody can need it
	Own   bool   `json:"own,omitempty"`   // the nonce was chosen here
	Claim string `json:"claim,omitempty"` // the record of its idempotency key

	Principal string `json:"principal,omitempty"` // of one that was refused: its sender
	Untold    bool   `json:"untold,omitempty"`    // it is under way after it was refused, and its sender was told that alone

	advanced bool // keeping it moved its lane
}

// key is the record's key.
func (r *record) key() string { return r.lane().transaction(r.Nonce, r.Hash) }

// transaction is the key of the record of a transaction of the lane.
func (l laneID) transaction(nonce uint64, hash common.Hash) string {
	return fmt.Sprintf("%s%s/%020d/%#x", prefixTransactions, l.path(), nonce, hash)
}

// lane names the lane of the transaction.
func (r *record) lane() laneID { return laneID{r.Chain.String(), r.Account} }

// encode returns the value of the record.
func (r *record) encode() ([]byte, error) {
	kept := *r
	kept.Raw = nil
	if kept.State == StateSent {
		kept.State = StateUnsure
	}
	value, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("encoding a transaction: %w", err)
	}
	return value, nil
}

// newRecord describes a transaction that was just signed.
func newRecord(chain *big.Int, account common.Address, signed *extapi.SignedTransaction, filled []string, now time.Time) *record {
	tx := signed.Tx
	return &record{
		Version: recordVersion,
		Transaction: Transaction{
			Chain: chain, Account: account, Nonce: tx.Nonce(), Hash: tx.Hash(), State: StateUnsure,
			To: tx.To(), Value: tx.Value(), Gas: tx.Gas(), FeeCap: tx.GasFeeCap(), TipCap: tx.GasTipCap(),
			Filled: filled, Kept: now.UTC(), Changed: now.UTC(),
		},
		Bytes: signed.Raw,
	}
}

// decodeRecord reads the record of a transaction. It refuses what this version did
// not write.
func decodeRecord(key string, value []byte) (*record, error) {
	var r record
	if err := decodeStrictly(value, &r); err != nil {
		return nil, fmt.Errorf("reading record %s: %w", key, err)
	}
	switch r.State {
	case StateUnsure, StateMined, StateFinal, StateReplaced, StateRejected:
	default:
		return nil, fmt.Errorf("reading record %s: state %q is unknown: a newer kvclef wrote it", key, r.State)
	}
	switch {
	case r.Chain == nil || r.Chain.Sign() <= 0 || r.Chain.BitLen() > 64, r.Value == nil, r.FeeCap == nil, r.TipCap == nil:
		return nil, fmt.Errorf("reading record %s: a member is missing", key)
	case r.State.InFlight() && len(r.Bytes) == 0:
		return nil, fmt.Errorf("reading record %s: it is under way without its bytes", key)
	case r.State == StateMined && r.Block == nil:
		return nil, fmt.Errorf("reading record %s: it is mined in no block", key)
	case r.key() != key:
		return nil, fmt.Errorf("reading record %s: it is of another transaction", key)
	}
	return &r, nil
}

// errVersion is for a record that another version wrote.
var errVersion = errors.New("it is of another version of kvclef")

// decodeStrictly decodes the one JSON object of a value, which has no members but
// those that are known. The version is looked at first, since others follow from it.
func decodeStrictly(value []byte, into any) error {
	var of struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(value, &of); err != nil {
		return err
	}
	if of.Version != recordVersion {
		return fmt.Errorf("%w: version %d, want %d", errVersion, of.Version, recordVersion)
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

// laneRecord is the value of a lane's record.
type laneRecord struct {
	Version int    `json:"version"`
	Next    uint64 `json:"next"` // the nonce after the last one that was handed out in sequence
}

// encodeLane returns the value of a lane's record.
func encodeLane(next uint64) []byte {
	return fmt.Appendf(nil, `{"version":%d,"next":%d}`, recordVersion, next)
}

// decodeLane reads the record of a lane; nil is one that has handed out nothing.
func decodeLane(key string, value []byte) (uint64, error) {
	if value == nil {
		return 0, nil
	}
	var r laneRecord
	if err := decodeStrictly(value, &r); err != nil {
		return 0, fmt.Errorf("reading record %s: %w", key, err)
	}
	return r.Next, nil
}

// laneOf reads a lane from the key of its record.
func laneOf(key string) (laneID, error) {
	chain, account, found := strings.Cut(strings.TrimPrefix(key, prefixLanes), "/")
	id := laneID{chain, common.HexToAddress(account)}
	if number, ok := new(big.Int).SetString(chain, 10); !found || !ok || number.BitLen() > 64 || prefixLanes+id.path() != key {
		return laneID{}, fmt.Errorf("record %q is of no lane", key)
	}
	return id, nil
}
