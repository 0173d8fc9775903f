//go:build linux

package overload_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	patience = 15 * time.Second // a caller's own deadline, beyond limits.max_wait
	checked  = 16               // one signature of so many is looked at closely
)

// caller is a principal who sends at a rate of its own, whatever it is answered, as
// long as it has places for requests that are not.
type caller struct {
	name   string
	rate   float64 // requests a second
	places int     // requests under way, each with a connection of its own
	of     *signer
	client *http.Client
	nonce  *atomic.Uint64 // of all callers

	mu      sync.Mutex
	answers []answer
	held    int // requests that were due and not sent: all places were taken
}

// answer is what became of a request.
type answer struct {
	at      time.Time // when it came
	took    time.Duration
	refused bool  // -32005 with all that belongs to it
	err     error // anything else but a signature
}

// newCaller makes a caller with a certificate.
func newCaller(t *testing.T, s *signer, name string, rate float64, places int, nonce *atomic.Uint64) *caller {
	t.Helper()
	pair, err := s.ca.Client(name)
	ok(t, err)
	certificate, err := pair.Load()
	ok(t, err)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		MaxConnsPerHost: places, MaxIdleConnsPerHost: places,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{name: name, rate: rate, places: places, of: s, nonce: nonce, client: &http.Client{Transport: transport, Timeout: patience}}
}

// send sends requests when they are due, until the context ends, and returns when
// all are answered.
func (c *caller) send(ctx context.Context) {
	places := make(chan struct{}, c.places)
	var group sync.WaitGroup
	defer group.Wait()
	began := time.Now()
	for n := 0; ; n++ {
		due := time.NewTimer(time.Until(began.Add(time.Duration(float64(n) / c.rate * float64(time.Second)))))
		select {
		case <-due.C:
		case <-ctx.Done():
			due.Stop()
			return
		}
		select {
		case places <- struct{}{}:
			group.Go(func() {
				c.ask()
				<-places
			})
		default:
			c.mu.Lock()
			c.held++
			c.mu.Unlock()
		}
	}
}

// ask asks for a signature on a payment of one wei, with a nonce of its own, and
// keeps the answer.
func (c *caller) ask() answer {
	began := time.Now()
	nonce := c.nonce.Add(1)
	refused, err := c.pay(nonce)
	a := answer{at: time.Now(), took: time.Since(began), refused: refused, err: err}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, a)
	return a
}

// pay sends the request. Nothing ends it but the caller's patience.
func (c *caller) pay(nonce uint64) (refused bool, err error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"account_signTransaction","params":[{"from":%q,"to":"0x0000000000000000000000000000000000010000",`+
		`"gas":"0x5208","maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x1","value":"0x1","nonce":"0x%x","chainId":"0x%x","input":"0x"}]}`,
		c.of.account.Hex(), nonce, chainID)
	resp, err := c.client.Post(c.of.url, "application/json", strings.NewReader(body)) //nolint:noctx // its patience is the client's
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	var reply struct {
		Result struct{ Raw hexutil.Bytes }
		Error  *struct {
			Code    int
			Message string
			Data    struct {
				RetryAfter int64 `json:"retry_after_ms"`
				Request    string
			}
		}
	}
	if err := json.Unmarshal(text, &reply); err != nil || resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("answered with %d %.200q: %w", resp.StatusCode, text, err)
	}
	switch told := reply.Error; {
	case told == nil:
		return false, c.verify(reply.Result.Raw, nonce)
	case told.Code != -32005 || told.Data.RetryAfter <= 0 || told.Data.Request == "":
		return false, fmt.Errorf("answered with %.300s", text)
	}
	return true, nil
}

// verify looks at what was signed.
func (c *caller) verify(raw []byte, nonce uint64) error {
	if len(raw) == 0 {
		return errors.New("answered without a transaction")
	}
	if nonce%checked != 0 {
		return nil
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("decoding what was signed: %w", err)
	}
	sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(chainID)), tx)
	if err != nil || sender != c.of.account || tx.Nonce() != nonce {
		return fmt.Errorf("asked for nonce %d of %s, signed is nonce %d of %s: %w", nonce, c.of.account, tx.Nonce(), sender, err)
	}
	return nil
}
