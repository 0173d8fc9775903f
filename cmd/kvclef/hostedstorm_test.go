package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// flaky are records whose changes are sometimes refused, or made without an answer.
type flaky struct{ rules.Records }

func (f flaky) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	switch rand.N(12) {
	case 0:
		return errors.New("the database is away")
	case 1:
		return errors.Join(f.Records.ChangeRecords(ctx, changes...), errors.New("the database is away"))
	default:
		return f.Records.ChangeRecords(ctx, changes...)
	}
}

// TestClaimsStorm: services that are made and deleted while replicas claim one account for
// them, and send, give no nonce twice, whatever is cut off.
func TestClaimsStorm(t *testing.T) {
	t.Parallel()
	all, one := memory.NewRecords(), common.Address{1}
	var mu sync.Mutex
	given := make(map[int]string) // nonce to service
	var group sync.WaitGroup
	for range 4 { // replicas
		shares := openShares(t, flaky{all}, size{1000, 100_000})
		claims := newHostedClaims(shares)
		for range 2 { // who work there at the same time
			group.Go(func() {
				for range 2000 {
					id := fmt.Sprintf("s%d", rand.N(300))
					key, open := hosting.Serving(id)
					kept := rules.Change{Key: "sealed/hosted/service/" + id}
					switch rand.N(8) {
					case 0: // an id is made once
						made := rules.Change{Key: "ever/" + id, New: []byte("x")}
						kept.New = []byte("sealed")
						_ = all.ChangeRecords(t.Context(), made, kept, rules.Change{Key: key, New: open})
					case 1:
						kept.Old = []byte("sealed")
						_ = all.ChangeRecords(t.Context(), kept, rules.Change{Key: key, Old: open})
						claims.release(id)
					default:
						if !claims.has(t.Context(), id, []uint64{1}, one) {
							continue
						}
						records := guardedRecords{shares.of(id), newHostedGuard(shares, id)}
						lane, err := records.Record(t.Context(), laneKey(one))
						if err != nil {
							t.Error(err)
							return
						}
						next := 0
						if lane != nil {
							_, _ = fmt.Sscanf(string(lane), `{"version":1,"next":%d}`, &next)
						}
						if records.ChangeRecords(t.Context(), rules.Change{Key: laneKey(one), Old: lane, New: fmt.Appendf(nil, `{"version":1,"next":%d}`, next+1)}) != nil {
							continue // what may be kept is not given out here
						}
						mu.Lock()
						if by, twice := given[next]; twice {
							t.Errorf("%s gives nonce %d, which %s has given", id, next, by)
						}
						given[next] = id
						mu.Unlock()
					}
				}
			})
		}
	}
	group.Wait()
	by := make(map[string]bool)
	for _, id := range given {
		by[id] = true
	}
	if len(by) < 2 {
		t.Errorf("%d nonces of %d services: nobody took anything over", len(given), len(by))
	}
}
