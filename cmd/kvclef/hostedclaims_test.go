package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// posted keeps a service as replicas see it.
func posted(t *testing.T, all rules.Records, ids ...string) {
	t.Helper()
	for _, id := range ids {
		key, open := hosting.Serving(id)
		change(t, all, rules.Change{Key: "sealed/hosted/service/" + id, New: []byte("sealed")}, rules.Change{Key: key, New: open})
	}
}

// gone removes one.
func gone(t *testing.T, all rules.Records, id string) {
	t.Helper()
	key, open := hosting.Serving(id)
	change(t, all, rules.Change{Key: "sealed/hosted/service/" + id, Old: []byte("sealed")}, rules.Change{Key: key, Old: open})
}

// claiming are the claims of a replica with a memory of its own.
func claiming(t *testing.T, all rules.Records) *hostedClaims {
	t.Helper()
	return newHostedClaims(openShares(t, all, size{1000, 100_000}))
}

// TestClaims: the first service that claims an account on a chain has it at all replicas,
// until it is deleted.
func TestClaims(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	posted(t, all, "s1", "s2")
	one, two := common.Address{1}, common.Address{2}
	a, b := claiming(t, all), claiming(t, all)
	if err := a.take(t.Context(), "s1", []uint64{1}, one); err != nil {
		t.Fatal(err)
	}
	if err := b.take(t.Context(), "s1", []uint64{1}, one); err != nil { // of the same service
		t.Fatal(err)
	}
	isOwned(t, b.take(t.Context(), "s2", []uint64{2, 1}, two, one), "s1")
	if err := b.take(t.Context(), "s2", []uint64{1, 2}, two, two); err != nil { // two keys of one account
		t.Error(err)
	}
	for _, of := range []struct {
		by   string
		of   common.Address
		want bool
	}{{"s1", one, true}, {"s2", one, false}, {"s1", two, false}, {"s2", two, true}, {ownPart, common.Address{3}, false}} {
		for name, claims := range map[string]*hostedClaims{"a": a, "b": b} {
			if got := claims.has(t.Context(), of.by, []uint64{1}, of.of); got != of.want {
				t.Errorf("%s: %s has %v: %v", name, of.by, of.of, got)
			}
		}
	}
	a.release("s1") // as its process ends
	isOwned(t, a.take(t.Context(), "s2", []uint64{1}, one), "s1")
	gone(t, all, "s1")
	if err := a.take(t.Context(), "s2", []uint64{1}, one); err != nil {
		t.Error(err)
	}
	if err := b.take(t.Context(), "s1", []uint64{3}, one); !errors.Is(err, errNotServed) {
		t.Errorf("a deleted service claims: %v", err)
	}
}

// TestClaimsAtOnce: of services that claim the same accounts at two replicas one has all
// of what deleted ones have left, whoever has the accounts.
func TestClaimsAtOnce(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	posted(t, all, "dead")
	var accounts []common.Address
	for i := range 30 {
		accounts = append(accounts, common.Address{byte(i + 1)})
		change(t, all, rules.Change{Key: "hosted/dead/" + laneKey(accounts[i]), New: []byte(oneLane)})
	}
	replicas := []*hostedClaims{claiming(t, all), claiming(t, all)}
	if err := replicas[0].take(t.Context(), "dead", []uint64{1}, accounts...); err != nil {
		t.Fatal(err)
	}
	gone(t, all, "dead")
	var group sync.WaitGroup
	var took atomic.Int32
	for i := range 8 {
		id := fmt.Sprintf("s%d", i)
		posted(t, all, id)
		group.Go(func() {
			err := replicas[i%2].take(t.Context(), id, []uint64{1}, accounts...)
			var owned *ownedError
			switch {
			case err == nil:
				took.Add(1)
				for _, account := range accounts {
					if value, err := all.Record(t.Context(), "hosted/"+id+"/"+laneKey(account)); err != nil || string(value) != oneLane {
						t.Errorf("%s has %v without what was left of it: %q, %v", id, account, value, err)
					}
				}
			case !errors.As(err, &owned):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if took.Load() != 1 {
		t.Errorf("%d took them", took.Load())
	}
}

// severed are records that fail at the nth change.
type severed struct {
	rules.Records
	after atomic.Int64
}

func (f *severed) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if f.after.Add(-1) < 0 {
		return errors.New("the database is away")
	}
	return f.Records.ChangeRecords(ctx, changes...)
}

// TestClaimsCutOff: whoever has a claim, and has not taken over what was left, sends
// nothing. The next replica takes it over, and so does the next service.
func TestClaimsCutOff(t *testing.T) {
	t.Parallel()
	for changes := range 4 { // the claim, what moves, and its end
		for _, heir := range []string{"s2", "s3"} {
			all := memory.NewRecords()
			posted(t, all, "s1", "s2", "s3")
			one := common.Address{1}
			change(t, all, rules.Change{Key: "hosted/s1/" + laneKey(one), New: []byte(oneLane)})
			if err := claiming(t, all).take(t.Context(), "s1", []uint64{1}, one); err != nil {
				t.Fatal(err)
			}
			gone(t, all, "s1")
			cut := &severed{Records: all}
			cut.after.Store(int64(changes))
			a := claiming(t, cut)
			took := a.take(t.Context(), "s2", []uint64{1}, one) == nil
			if took != (changes >= 3) || a.has(t.Context(), "s2", []uint64{1}, one) != took {
				t.Errorf("after %d changes: taken: %v", changes, took)
			}
			if heir == "s3" {
				gone(t, all, "s2")
			}
			if err := claiming(t, all).take(t.Context(), heir, []uint64{1}, one); err != nil {
				t.Errorf("after %d changes: %v", changes, err)
			}
			if value, err := all.Record(t.Context(), "hosted/"+heir+"/"+laneKey(one)); err != nil || string(value) != oneLane {
				t.Errorf("after %d changes %s has %q, %v", changes, heir, value, err)
			}
		}
	}
}

// TestClaimsOfAnotherVersion: an account that another version claimed is nobody's here.
func TestClaimsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	posted(t, all, "s1")
	one := common.Address{1}
	change(t, all, rules.Change{Key: (&claim{chainAccount: chainAccount{1, one}}).key(), New: []byte(`{"version":2,"by":"s1"}`)})
	claims := claiming(t, all)
	if err := claims.take(t.Context(), "s1", []uint64{1}, one); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Error(err)
	}
	if claims.has(t.Context(), "s1", []uint64{1}, one) {
		t.Error("it has it")
	}
}
