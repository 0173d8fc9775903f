package main

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestGuardedRecords: nothing is kept of a service that is not served, and nobody takes
// that for another who was faster.
func TestGuardedRecords(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	shares := openShares(t, all, size{100, 10_000})
	records := guardedRecords{shares.of("s1"), newHostedGuard(shares, "s1")}
	add := rules.Change{Key: "tx/1", New: []byte("x")}
	if err := records.ChangeRecords(t.Context(), add); !errors.Is(err, errNotServed) || errors.Is(err, rules.ErrConflict) {
		t.Errorf("before it is served: %v", err)
	}
	posted(t, all, "s1")
	if err := records.ChangeRecords(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	if err := records.ChangeRecords(t.Context(), add); !errors.Is(err, rules.ErrConflict) || errors.Is(err, errNotServed) {
		t.Errorf("another was faster: %v", err)
	}
	if value, err := all.Record(t.Context(), "hosted/s1/tx/1"); err != nil || string(value) != "x" || shares.all.records != 1 {
		t.Errorf("%q, %v, %+v", value, err, shares.all)
	}
	key, open := hosting.Serving("s1")
	change(t, all, rules.Change{Key: key, Old: open, New: []byte(`{"version":1,"state":"closing"}`)})
	if err := records.ChangeRecords(t.Context(), rules.Change{Key: "tx/2", New: []byte("x")}); !errors.Is(err, errNotServed) {
		t.Errorf("while it is closed: %v", err)
	}
	if err := records.ChangeRecords(t.Context(), rules.Change{New: []byte("x")}); err == nil || errors.Is(err, errNotServed) {
		t.Errorf("without a key: %v", err)
	}
	if shares.all.records != 1 {
		t.Errorf("counted %+v", shares.all)
	}
}

// penned signs, and does something meanwhile.
type penned struct {
	extapi.Signer
	meanwhile func()
	signed    int
}

func (p *penned) Sign(context.Context, common.Address, common.Hash) (extapi.Signed, error) {
	p.signed++
	p.meanwhile()
	return extapi.Signed{Key: "payer"}, nil
}

// unreadable are records whose database may be away.
type unreadable struct {
	rules.Records
	away bool
}

func (u *unreadable) Record(ctx context.Context, key string) ([]byte, error) {
	if u.away {
		return nil, errors.New("the database is away")
	}
	return u.Records.Record(ctx, key)
}

// TestGuardedSigner: the vault is not asked for a service of which it is not known that it
// is served, and a signature is not given out that was made when that ended.
func TestGuardedSigner(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, meanwhile func(*testing.T, *unreadable)
		signed            int
		sure              bool
		public            string
	}{
		"served":    {signed: 1},
		"deleted":   {before: goneOf, sure: true, public: "the service is deleted, or is being deleted: it gives out no signature"},
		"away":      {before: awayOf, sure: true, public: "the signer can't use its records, and nothing was signed: try again later"},
		"meanwhile": {meanwhile: goneOf, signed: 1, public: "the service is deleted, or is being deleted: it gives out no signature"},
		"away then": {meanwhile: awayOf, signed: 1, public: "the signer can't use its records, and does not give out what was signed: try again later"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := &unreadable{Records: memory.NewRecords()}
			posted(t, all, "s1")
			if test.before != nil {
				test.before(t, all)
			}
			pen := &penned{meanwhile: func() {
				if test.meanwhile != nil {
					test.meanwhile(t, all)
				}
			}}
			signed, err := guardedSigner{pen, newHostedGuard(all, "s1")}.Sign(t.Context(), common.Address{1}, common.Hash{})
			if pen.signed != test.signed || (err == nil) != (test.public == "") || (signed.Key == "payer") != (err == nil) {
				t.Fatalf("%d signed, %+v, %v", pen.signed, signed, err)
			}
			var told interface {
				Public() string
				NotSigned() bool
			}
			if err != nil && (!errors.As(err, &told) || told.Public() != test.public || told.NotSigned() != test.sure) {
				t.Errorf("told %v", err)
			}
		})
	}
}

func goneOf(t *testing.T, all *unreadable) {
	t.Helper()
	gone(t, all, "s1")
}

func awayOf(_ *testing.T, all *unreadable) { all.away = true }
