package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// Summary tells what the store holds, as of one time, with values if they are
// asked for. It may take time, and keeps nobody waiting.
func (s *Store) Summary(ctx context.Context, values bool) (*store.Summary, error) {
	sum := &store.Summary{
		Path: s.place, Version: s.found.version, ID: s.found.id, Created: s.found.created.UTC(),
		Counters: []store.Counter{}, Holds: []store.Hold{}, Records: []store.RecordKind{},
	}
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var latest, now int64
		err := tx.QueryRow(ctx, `SELECT c.latest, greatest(c.latest, now_or($1)), z.keys, z.bytes FROM clock c, storage_size z`, s.now()).
			Scan(&latest, &now, &sum.Keys, &sum.Bytes)
		if err != nil {
			return err
		}
		if latest > 0 {
			sum.Latest = time.Unix(0, latest).UTC()
		}
		for _, part := range []func(context.Context, pgx.Tx, *store.Summary, int64) error{sumCounters, sumHolds, sumRecords, sumAttestations} {
			if err := part(ctx, tx, sum, now); err != nil {
				return err
			}
		}
		if values {
			return sumValues(ctx, tx, sum)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the store at %s: %w", s.place, err)
	}
	sum.LogHeads, err = s.LogHeads(ctx)
	return sum, err
}

func sumCounters(ctx context.Context, tx pgx.Tx, sum *store.Summary, now int64) error {
	rows, err := tx.Query(ctx, `SELECT k.name, greatest(k.latest, $1), c.slot, c.amount::text, c.expires, h.id IS NOT NULL
		FROM counters k JOIN charges c ON c.counter = k.id LEFT JOIN holds h ON h.id = c.hold
		WHERE c.expires > greatest(k.latest, $1) ORDER BY k.name`, now)
	if err != nil {
		return err
	}
	defer rows.Close()
	var name, slot []byte
	var at int64
	var live []rules.Live
	add := func(name []byte, at int64) {
		if len(live) > 0 {
			usage := rules.Tally(live, at)
			sum.Counters = append(sum.Counters, store.Counter{Name: string(name), Used: usage.Used, Held: usage.Held, Next: usage.Next, Charges: len(live)})
		}
		live = live[:0]
	}
	var current string
	var currentAt int64
	for rows.Next() {
		var one rules.Live
		var text string
		if err := rows.Scan(&name, &at, &slot, &text, &one.Expires, &one.Open); err != nil {
			return err
		}
		if string(name) != current {
			add([]byte(current), currentAt)
			current, currentAt = string(name), at
		}
		one.Slot = string(slot)
		if one.Amount, err = amount(text); err != nil {
			return err
		}
		live = append(live, one)
	}
	add([]byte(current), currentAt)
	return rows.Err()
}

// sumHolds leaves out holds whose windows have passed: nothing is left of them to
// settle.
func sumHolds(ctx context.Context, tx pgx.Tx, sum *store.Summary, now int64) error {
	rows, err := tx.Query(ctx, `SELECT h.id, (SELECT count(*) FROM charges c WHERE c.hold = h.id), h.expires FROM holds h WHERE h.expires > $1 ORDER BY h.id`, now)
	if err != nil {
		return err
	}
	sum.Holds, err = pgx.AppendRows(sum.Holds, rows, func(row pgx.CollectableRow) (h store.Hold, err error) {
		var id, expires int64
		err = row.Scan(&id, &h.Charges, &expires)
		h.ID, h.Expires = rules.HoldID(id), time.Unix(0, expires).UTC()
		return h, err
	})
	return err
}

func sumRecords(ctx context.Context, tx pgx.Tx, sum *store.Summary, _ int64) error {
	rows, err := tx.Query(ctx, `SELECT kind, count(*), sum(bytes)::bigint FROM (
			SELECT CASE WHEN position('/'::bytea IN key) > 0 THEN substring(key FROM 1 FOR position('/'::bytea IN key) - 1) ELSE key END AS kind,
				octet_length(key) + octet_length(value) AS bytes FROM records) r
		GROUP BY kind ORDER BY kind`)
	if err != nil {
		return err
	}
	sum.Records, err = pgx.AppendRows(sum.Records, rows, kindOf)
	return err
}

func sumAttestations(ctx context.Context, tx pgx.Tx, sum *store.Summary, _ int64) error {
	rows, err := tx.Query(ctx, "SELECT kind, attestation::text FROM attestations")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, record string
		if err := rows.Scan(&kind, &record); err != nil {
			return err
		}
		attestation, err := decodeAttestation(record, rules.FileKind(kind))
		switch {
		case err != nil:
			return err
		case rules.FileKind(kind) == rules.PolicyFile:
			sum.PolicyAttestation = &attestation
		case rules.FileKind(kind) == rules.RuleFile:
			sum.Attestation = &attestation
		}
	}
	return rows.Err()
}

func sumValues(ctx context.Context, tx pgx.Tx, sum *store.Summary) error {
	sum.Values, sum.RecordValues = make(map[string]string), make(map[string]string)
	err := each(ctx, tx, func(key string, value []byte) error { sum.Values[key] = string(value); return nil },
		"SELECT key, value FROM storage")
	if err != nil {
		return err
	}
	return each(ctx, tx, func(key string, value []byte) error { sum.RecordValues[key] = string(value); return nil },
		"SELECT key, value FROM records WHERE substring(key FROM 1 FOR $1) <> $2", len(store.Sealed), []byte(store.Sealed))
}

// RecordKinds counts the records below a prefix by what comes before the next slash.
func (s *Store) RecordKinds(ctx context.Context, prefix string) (kinds []store.RecordKind, err error) {
	if err := s.settled(ctx); err != nil {
		return nil, fmt.Errorf("counting records: %w", err)
	}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT substring(below FROM 1 FOR position('/'::bytea IN below) - 1) AS kind, count(*), sum(bytes)::bigint FROM (
				SELECT substring(key FROM $1) AS below, octet_length(key) + octet_length(value) AS bytes
				FROM records WHERE key >= $2 AND ($3::bytea IS NULL OR key < $3)) r
			WHERE position('/'::bytea IN below) > 0 GROUP BY kind ORDER BY kind`, len(prefix)+1, []byte(prefix), after(prefix))
		if err != nil {
			return fmt.Errorf("counting records: %w", err)
		}
		kinds, err = pgx.CollectRows(rows, kindOf)
		return err
	})
	return kinds, err
}

func kindOf(row pgx.CollectableRow) (k store.RecordKind, err error) {
	var kind []byte
	err = row.Scan(&kind, &k.Records, &k.Bytes)
	k.Kind = string(kind)
	return k, err
}
