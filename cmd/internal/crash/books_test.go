package crash_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
)

// books hold against each other what clients were given, what the audit log
// says, what the storage counts and what the vault was asked for. No crash may
// set them at odds.
type books struct {
	account common.Address
	limit   uint64 // wei that a recipient may be sent
	early   bool   // the rule file counts approvals, not signatures

	limits *limitBooks // of a policy; nil: a rule file counts

	last       uint64                    // number of the last entry read
	open       map[string]audit.Entry    // approvals of this start without an outcome, by request id
	approved   map[string]approval       // by digest
	released   map[common.Address]uint64 // wei, by recipient
	signatures map[string]string         // hash of a released signature → digest

	approvals, refusals, received, starts, stops, recoveries int
}

// approval is what the log has of a digest.
type approval struct {
	to    common.Address
	value uint64 // wei, of all that were approved with this digest
}

func newBooks(account common.Address, limit uint64, early bool) *books {
	return &books{
		account: account, limit: limit, early: early,
		open: map[string]audit.Entry{}, approved: map[string]approval{}, released: map[common.Address]uint64{},
		signatures: map[string]string{},
	}
}

// enter takes the next entry of the log.
func (b *books) enter(e audit.Entry) error {
	if e.Seq != b.last+1 {
		return fmt.Errorf("entry %d follows entry %d", e.Seq, b.last)
	}
	b.last = e.Seq
	switch e.Event {
	case audit.EventStart:
		b.starts++
		clear(b.open) // requests end with their process
	case audit.EventStop:
		b.stops++
	case audit.EventRecovered:
		if strings.Contains(e.Note, "cut off") { // or a rotation was completed
			b.recoveries++
		}
	case audit.EventDecision:
		return b.decision(e)
	case audit.EventOutcome:
		return b.outcome(e)
	case audit.EventCheckpoint:
	default:
		return fmt.Errorf("entry %d is %q: %s", e.Seq, e.Event, e.Error)
	}
	return nil
}

func (b *books) decision(e audit.Entry) error {
	if e.Verdict != "approve" {
		b.refusals++
		if b.limits != nil {
			b.limits.refused[e.Reason]++
		}
		return nil
	}
	if _, twice := b.open[e.Request]; twice {
		return fmt.Errorf("entry %d approves request %s for the second time", e.Seq, e.Request)
	}
	value, err := strconv.ParseUint(e.Value, 10, 64)
	if err != nil {
		return fmt.Errorf("entry %d: the value: %w", e.Seq, err)
	}
	b.approvals++
	b.open[e.Request] = e
	b.approved[e.Digest] = approval{common.HexToAddress(e.To), value}
	if b.limits != nil {
		return b.limits.approve(e)
	}
	return nil
}

func (b *books) outcome(e audit.Entry) error {
	decision, ok := b.open[e.Request]
	if !ok {
		return fmt.Errorf("entry %d is the outcome of request %s, which was not approved before, or has an outcome", e.Seq, e.Request)
	}
	delete(b.open, e.Request)
	if e.Digest != decision.Digest {
		return fmt.Errorf("entry %d has the digest %s, and the approval %d has %s", e.Seq, e.Digest, decision.Seq, decision.Digest)
	}
	if b.limits != nil && e.Outcome == "not signed" {
		return b.limits.count(decision, -1)
	}
	if e.Released == nil || !*e.Released {
		return nil
	}
	if e.Outcome != "signed" || e.SignatureHash == "" {
		return fmt.Errorf("entry %d says that a signature was released, with the outcome %q and the signature hash %q", e.Seq, e.Outcome, e.SignatureHash)
	}
	value, _ := strconv.ParseUint(decision.Value, 10, 64)
	b.released[common.HexToAddress(decision.To)] += value
	b.signatures[e.SignatureHash] = e.Digest
	return nil
}

// receive takes a transaction that a client was given. The log must have been
// read to its end before.
func (b *books) receive(tx *types.Transaction) error {
	b.received++
	signer := types.LatestSignerForChainID(tx.ChainId())
	if sender, err := types.Sender(signer, tx); err != nil || sender != b.account {
		return fmt.Errorf("a client was given a signature of %v, not of %v: %w", sender, b.account, err)
	}
	hash, digest := signatureHash(tx), signer.Hash(tx).Hex()
	switch recorded, ok := b.signatures[hash]; {
	case !ok:
		return fmt.Errorf("a client was given the signature of nonce %d, and the log has no entry of its release (%s)", tx.Nonce(), hash)
	case recorded != digest:
		return fmt.Errorf("the log has the digest %s for the signature of %s", recorded, digest)
	}
	return nil
}

// balance compares the books with the storage and with the digests that the
// vault was asked to sign.
func (b *books) balance(storage map[string]string, asked []string) error {
	var failures []error
	must := func(holds bool, format string, args ...any) {
		if !holds {
			failures = append(failures, fmt.Errorf(format, args...))
		}
	}
	approved := map[common.Address]uint64{} // wei
	for _, approval := range b.approved {
		approved[approval.to] += approval.value
	}
	for _, digest := range asked {
		_, ok := b.approved[digest]
		must(ok, "the vault was asked to sign %s, and the log has no approval of it", digest)
	}
	if b.limits != nil {
		return errors.Join(failures...) // the storage is of rule files
	}
	for to, approved := range approved {
		counted, err := counted(storage[strings.ToLower(to.Hex())])
		must(err == nil, "the storage's count for %v: %w", to, err)
		released := b.released[to]
		must(released <= b.limit, "%v was sent %d wei, and its limit is %d", to, released, b.limit)
		must(counted <= b.limit, "%v: the storage counts %d wei, and the limit is %d", to, counted, b.limit)
		must(counted >= released, "%v was sent %d wei, and the storage counts %d", to, released, counted)
		must(!b.early || counted >= approved, "%v: %d wei are approved, and the storage counts %d", to, approved, counted)
	}
	return errors.Join(failures...)
}

// counted returns what a rule file of testdata has counted.
func counted(value string) (uint64, error) {
	if !strings.HasPrefix(value, "[") {
		return strconv.ParseUint("0"+value, 10, 64)
	}
	var list []struct{ Value string }
	if err := json.Unmarshal([]byte(value), &list); err != nil {
		return 0, err
	}
	sum := uint64(0)
	for _, entry := range list {
		value, err := strconv.ParseUint(entry.Value, 0, 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// signatureHash is the hash by which the log names a transaction's signature:
// Keccak-256 of r‖s‖yparity.
func signatureHash(tx *types.Transaction) string {
	v, r, s := tx.RawSignatureValues()
	signature := make([]byte, 65)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:64])
	signature[64] = byte(v.Uint64())
	return crypto.Keccak256Hash(signature).Hex()
}
