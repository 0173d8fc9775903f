//go:build linux

package replicas_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// payer asks for signatures on payments.
type payer struct {
	client *rpc.Client
	from   common.Address
	stays  bool // it goes on after a call that failed: others answer where it asks
}

// local asks a replica by its socket.
func (h *house) local(t *testing.T, s *signer) payer {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), s.ipc)
	must(t, err)
	t.Cleanup(client.Close)
	return payer{client: client, from: h.account}
}

// remote asks by HTTPS, with a certificate and connections of its own.
func (h *house) remote(t *testing.T, address string) payer {
	t.Helper()
	return payer{client: h.dial(t, address), from: h.account, stays: true}
}

func (h *house) dial(t *testing.T, address string) *rpc.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.authority, Certificates: []tls.Certificate{h.identity}, MinVersion: tls.VersionTLS13}}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := rpc.DialOptions(t.Context(), "https://"+address, rpc.WithHTTPClient(&http.Client{Transport: transport}))
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

// remotes are n that ask at the same place.
func (h *house) remotes(t *testing.T, address string, n int) []payer {
	t.Helper()
	all := make([]payer, n)
	for i := range all {
		all[i] = h.remote(t, address)
	}
	return all
}

// pay asks for a signature on a payment of one wei, with a nonce of its own.
func (p payer) pay(ctx context.Context, nonce uint64) error {
	var signed struct {
		Raw hexutil.Bytes `json:"raw"`
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.client.CallContext(ctx, &signed, "account_signTransaction", map[string]any{
		"from": p.from, "to": common.HexToAddress("0x10000"), "gas": "0x5208", "maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1",
		"value": "0x1", "nonce": hexutil.EncodeUint64(nonce), "chainId": (*hexutil.Big)(big.NewInt(devnet.ChainID)), "input": "0x",
	})
}

// denied reports whether an error is a refusal by the rules. They name the rule; a
// signer that can't decide has none.
func denied(err error) bool {
	var data rpc.DataError
	return err != nil && err.Error() == "request denied" && errors.As(err, &data) && data.ErrorData() != nil
}

// tally is what became of payments.
type tally struct {
	signed, denied int
	failed         []error // of these it is not known whether they count
}

func (a *tally) add(b tally) {
	a.signed, a.denied, a.failed = a.signed+b.signed, a.denied+b.denied, append(a.failed, b.failed...)
}

// race has clients, each in the place of one payer after the other, ask for payments
// whose nonces begin with first.
func race(t *testing.T, payers []payer, first, payments int, during func(begun <-chan struct{})) (all tally) {
	t.Helper()
	const some = 8
	return raceUntil(t, payers, first, payments, some, during)
}

// raceUntil is race, which has begun when some are signed.
func raceUntil(t *testing.T, payers []payer, first, payments, some int, during func(begun <-chan struct{})) (all tally) {
	t.Helper()
	nonces := make(chan int)
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	var (
		mu    sync.Mutex
		group sync.WaitGroup
	)
	for i := range clients {
		group.Go(func() {
			by := payers[i%len(payers)]
			for nonce := range nonces {
				err := by.pay(t.Context(), uint64(nonce))
				mu.Lock()
				switch {
				case err == nil:
					if all.signed++; all.signed == some {
						begin()
					}
				case denied(err):
					all.denied++
				default:
					all.failed = append(all.failed, err)
				}
				mu.Unlock()
				if err != nil && !denied(err) && !by.stays {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		begin()
		close(done)
	}()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		defer close(nonces)
		for i := range payments {
			select {
			case nonces <- first + i:
			case <-done: // nobody is left who asks
				return
			}
		}
	}()
	if during != nil {
		during(begun)
	}
	<-fed
	<-done
	return all
}

// exactly checks that all was signed that may be, and that nothing went wrong.
func (a *tally) exactly(t *testing.T) {
	t.Helper()
	if a.signed != limit || len(a.failed) > 0 {
		t.Errorf("%d were signed of %d, %d denied, and %v", a.signed, limit, a.denied, errors.Join(a.failed...))
	}
}

// within checks that nothing was signed beyond the limit, and that no more is missing
// than calls that failed, which may count.
func (a *tally) within(t *testing.T) {
	t.Helper()
	t.Logf("%d signed, %d denied, %d failed", a.signed, a.denied, len(a.failed))
	if a.signed > limit {
		t.Errorf("%d were signed, at most %d may be", a.signed, limit)
	}
	if a.signed < limit-len(a.failed) {
		t.Errorf("%d were signed, of %d, and %d failed", a.signed, limit, len(a.failed))
	}
}

// stateless reports whether an error says that a signer has no state to decide by.
func stateless(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "request denied: the signer can't use its state")
}
