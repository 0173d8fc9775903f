package emulator_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestManyCallersMeetFaults: 64 callers share connections while faults of every
// kind happen among them. What is answered in full and without a fault is right,
// and afterwards everybody is served.
func TestManyCallersMeetFaults(t *testing.T) {
	s := start(t, emulator.Options{})
	key, err := s.CreateKey("dev", "k")
	if err != nil {
		t.Fatal(err)
	}
	public := crypto.FromECDSAPub(key.Public)
	for _, http2 := range []bool{false, true} {
		c := newRaw(t, s, "dev", http2)
		var remove []func()
		for kind := emulator.FaultUnauthorized; kind <= emulator.FaultBadChallenge; kind++ {
			if !lies[kind] {
				remove = append(remove, s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: kind, Times: 8}))
			}
		}
		sign := func() error {
			answer, err := c.send(c.vaultRequest(t, http.MethodPost, "/keys/k/sign", signBody()))
			if err != nil || answer.status != http.StatusOK {
				return fmt.Errorf("%d %s: %w", answer.status, answer.body, err)
			}
			if !crypto.VerifySignature(public, digestOf("x"), lowS(signatureOf(t, decodeJSON(t, answer.body)))) {
				t.Error("a wrong signature")
			}
			return nil
		}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 4 {
					_ = sign() // most fail here
				}
			})
		}
		wg.Wait()
		for _, r := range remove {
			r() // a reset may have cut off requests that would have met the rest
		}
		for range 64 {
			wg.Go(func() {
				if err := sign(); err != nil {
					t.Errorf("after the faults: %v", err)
				}
			})
		}
		wg.Wait()
	}
}
