package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// keyTenancy is of the record that says who sends from records that replicas share: either
// the vaults of their own configurations, or hosted services. Never both: which accounts
// the one has is in files, each replica's own, and the other could not exclude them.
const keyTenancy = "tenancy/sends"

// Who sends.
const (
	tenantOwn    = "own"
	tenantHosted = "hosted"
)

// tenancy is the value of that record.
type tenancy struct {
	Version uint64 `json:"version"`
	By      string `json:"by"`
	Replica string `json:"replica"` // that was the first
}

// OccupyOwn says that the vaults of the replicas' own configurations send from records.
// The error is [ErrInUse] if hosted services do.
func OccupyOwn(ctx context.Context, records rules.Records, replica string) error {
	for {
		switch of, err := tenancyOf(ctx, records); {
		case err != nil:
			return err
		case of != nil && of.By != tenantOwn:
			return refuse(ErrInUse, "store.postgres: hosted services send from this schema, as the replica %q began it, and without proxy.hosting_key_file the vaults of the configuration would send beside them: copy that file from there, or use a schema of its own", of.Replica)
		case of != nil:
			return nil
		}
		switch sealed, err := records.Record(ctx, keyGeneration); {
		case err != nil:
			return fmt.Errorf("reading the hosted services: %w", err)
		case sealed != nil: // the record of who sends was removed
			return refuse(ErrInUse, "store.postgres: hosted services are, or were, in this schema, and the vaults of the configuration would send beside them: use a schema of its own")
		}
		change, err := tenancy{1, tenantOwn, replica}.change()
		if err != nil {
			return err
		}
		if err := records.ChangeRecords(ctx, change); !errors.Is(err, rules.ErrConflict) { // else another was quicker
			return err
		}
	}
}

// occupyHosted says that hosted services send from the records, and that they are sealed
// under this replica's key, or refuses a key that is not the one.
func (s *shelf) occupyHosted(ctx context.Context, replica string) error {
	for {
		of, err := tenancyOf(ctx, s.records)
		switch {
		case err != nil:
			return err
		case of != nil && of.By != tenantHosted:
			return refuse(ErrInUse, "store.postgres: the vaults of the replicas' own configurations send from this schema, as the replica %q began it: hosted services need a schema of their own, or remove proxy.hosting_key_file", of.Replica)
		case of != nil:
			_, err := s.isKey(ctx, fmt.Sprintf("at the replica %q, which sealed them first, or at any other that serves them", of.Replica))
			return err
		}
		begun, err := tenancy{1, tenantHosted, replica}.change()
		if err != nil {
			return err
		}
		first, err := s.firstSeal(ctx)
		if err != nil {
			return err
		}
		if err := s.records.ChangeRecords(ctx, begun, first); !errors.Is(err, rules.ErrConflict) { // else another was quicker
			return err
		}
	}
}

// firstSeal is the change that seals something, so that other replicas know the key. What
// is sealed already, as where the record of who sends was removed, stays.
func (s *shelf) firstSeal(ctx context.Context) (rules.Change, error) {
	switch sealed, err := s.isKey(ctx, "at any replica that serves them"); {
	case err == nil:
		return rules.Change{Key: keyGeneration, Old: sealed, New: sealed}, nil
	case errors.Is(err, errNoneSealed):
		return s.sealGeneration(&contents{})
	default:
		return rules.Change{}, err
	}
}

var errNoneSealed = errors.New("nothing is sealed yet")

// isKey refuses a seal that does not open what a replica has sealed.
func (s *shelf) isKey(ctx context.Context, where string) (sealed []byte, err error) {
	if sealed, err = s.records.Record(ctx, keyGeneration); err != nil {
		return nil, fmt.Errorf("reading the hosted services: %w", err)
	}
	if sealed == nil {
		return nil, fmt.Errorf("record %s: %w", keyGeneration, errNoneSealed)
	}
	if _, err := s.seal.open(keyGeneration, sealed); err != nil {
		return nil, refuse(ErrInvalid, "proxy.hosting_key_file: it is not the key that the hosted services of this database are sealed under: copy the file that proxy.hosting_key_file names %s: %w", where, err)
	}
	return sealed, nil
}

func tenancyOf(ctx context.Context, records rules.Records) (*tenancy, error) {
	value, err := records.Record(ctx, keyTenancy)
	if err != nil {
		return nil, fmt.Errorf("reading who sends from the records: %w", err)
	}
	if value == nil {
		return nil, nil //nolint:nilnil // nobody yet
	}
	of := new(tenancy)
	if err := config.DecodeJSON(value, of); err != nil {
		return nil, fmt.Errorf("record %s: %w", keyTenancy, err)
	}
	if err := isVersion(of.Version); err != nil {
		return nil, fmt.Errorf("record %s: %w", keyTenancy, err)
	}
	if of.By != tenantOwn && of.By != tenantHosted {
		return nil, fmt.Errorf("record %s: by %.20q is unknown: a newer kvclef wrote it", keyTenancy, of.By)
	}
	return of, nil
}

func (t tenancy) change() (rules.Change, error) {
	value, err := json.Marshal(t)
	return rules.Change{Key: keyTenancy, New: value}, err
}
