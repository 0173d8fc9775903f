package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// maxAttestation bounds an attestation, in bytes of JSON.
const maxAttestation = 8 << 10

// Attest keeps an attestation in the place of the one before of its kind, for
// all processes that share the store. It is durable when Attest returns.
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
	return s.exec(ctx, "keeping the attestation", `INSERT INTO attestations (kind, attestation) VALUES ($1, $2)
		ON CONFLICT (kind) DO UPDATE SET attestation = excluded.attestation`, string(attestation.Kind), string(record))
}

// exec makes a statement that one waits for.
func (s *Store) exec(ctx context.Context, what, statement string, args ...any) error {
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	err = s.durably(ctx, func(q queryer) error {
		rows, err := q.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Attestation returns the attestation of a kind, false if there is none.
func (s *Store) Attestation(ctx context.Context, kind rules.FileKind) (attestation rules.Attestation, ok bool, err error) {
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return attestation, false, err
	}
	defer cancel()
	var record string
	err = s.work.QueryRow(ctx, "SELECT attestation::text FROM attestations WHERE kind = $1", string(kind)).Scan(&record)
	if errors.Is(err, pgx.ErrNoRows) {
		return attestation, false, nil
	}
	if err == nil {
		attestation, err = decodeAttestation(record, kind)
	}
	if err != nil {
		return rules.Attestation{}, false, fmt.Errorf("reading the attestation: %w", err)
	}
	return attestation, true, nil
}

func decodeAttestation(record string, kind rules.FileKind) (rules.Attestation, error) {
	var attestation rules.Attestation
	if len(record) > 2*maxAttestation { // the database puts spaces
		return attestation, fmt.Errorf("the attestation has %d bytes", len(record))
	}
	if err := json.Unmarshal([]byte(record), &attestation); err != nil {
		return rules.Attestation{}, fmt.Errorf("the attestation: %w", err)
	}
	if attestation.Kind != kind {
		return rules.Attestation{}, fmt.Errorf("the attestation of a %v is of a %v", kind, attestation.Kind)
	}
	return attestation, nil
}
