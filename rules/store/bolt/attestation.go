package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

// maxAttestation bounds an attestation, in bytes of JSON.
const maxAttestation = 8 << 10

// attestationKey is the key of an attestation in bucketMeta.
func attestationKey(kind rules.FileKind) string {
	if kind == rules.RuleFile {
		return keyAttestation
	}
	return keyAttestation + "." + string(kind)
}

// attestedKind is the kind of file whose attestation has a key.
func attestedKind(key string) (kind rules.FileKind, ok bool) {
	for _, kind := range rules.FileKinds() {
		if key == attestationKey(kind) {
			return kind, true
		}
	}
	return "", false
}

// Attest keeps an attestation in the place of the one before of its kind. It is
// durable when Attest returns.
func (s *Store) Attest(ctx context.Context, attestation rules.Attestation) error {
	if !slices.Contains(rules.FileKinds(), attestation.Kind) {
		return fmt.Errorf("a file of the kind %q is not known", string(attestation.Kind))
	}
	record, err := json.Marshal(attestation)
	if err != nil {
		return fmt.Errorf("encoding the attestation: %w", err)
	}
	if len(record) > maxAttestation {
		return fmt.Errorf("the attestation has %d bytes, and may have %d", len(record), maxAttestation)
	}
	return s.writer.do(ctx, func(t *tables) error { return t.put(bucketMeta, []byte(attestationKey(attestation.Kind)), record) })
}

// Attestation returns the attestation of a kind, false if there is none.
func (s *Store) Attestation(ctx context.Context, kind rules.FileKind) (attestation rules.Attestation, ok bool, err error) {
	if err := context.Cause(ctx); err != nil {
		return attestation, false, err
	}
	if err := s.writer.health(); err != nil {
		return attestation, false, err
	}
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			bucket, err := bucketOf(tx, bucketMeta)
			if err != nil {
				return err
			}
			record := bucket.Get([]byte(attestationKey(kind)))
			if record == nil {
				return nil
			}
			ok = true
			attestation, err = decodeAttestation(record, kind)
			return err
		})
	})
	if err != nil {
		return rules.Attestation{}, false, fmt.Errorf("reading the attestation: %w", err)
	}
	return attestation, ok, nil
}

func decodeAttestation(record []byte, kind rules.FileKind) (rules.Attestation, error) {
	var attestation rules.Attestation
	if len(record) > maxAttestation {
		return attestation, fmt.Errorf("%w: the attestation has %d bytes", errRecord, len(record))
	}
	if err := json.Unmarshal(record, &attestation); err != nil {
		return rules.Attestation{}, fmt.Errorf("%w: the attestation: %w", errRecord, err)
	}
	if attestation.Kind != kind {
		return rules.Attestation{}, fmt.Errorf("%w: the attestation of a %v is of a %v", errRecord, kind, attestation.Kind)
	}
	return attestation, nil
}
