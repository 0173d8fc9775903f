package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// checked is that each caller's first signature is checked, and then each of so
// many.
const checked = 100

// load says how a contender is asked in a window.
type load struct {
	transport string
	callers   int
	rate      int // requests a second, whether or not those before have been answered; 0: a caller asks when it has its answer
	window    time.Duration
	profile   string // folder for what perf records; "" records nothing
}

// window is what was measured in one.
type window struct {
	Contender string  `json:"contender"`
	Transport string  `json:"transport"`
	Callers   int     `json:"callers"`
	Offered   int     `json:"offered,omitempty"` // requests a second
	Round     int     `json:"round"`
	Requests  int     `json:"requests"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_ms"`           // of the signer's process, for each request
	Peak      float64 `json:"peak_mib"`         // resident
	Own       float64 `json:"own_ms,omitempty"` // kvclef's own part of a request, without the vault's: the mean
	OwnP50    float64 `json:"own_p50_ms,omitempty"`
	OwnP99    float64 `json:"own_p99_ms,omitempty"`
	Machine   float64 `json:"load_1_min"` // of the machine, at the end
}

// measure puts a load on a contender. Any error, and any signature that is not
// right, ends the measurement.
func (c *contender) measure(ctx context.Context, l load) (window, error) {
	clients := make([]*rpc.Client, l.callers)
	for i := range clients {
		client, err := c.dial(ctx, l.transport)
		if err != nil {
			return window{}, fmt.Errorf("connecting to %s: %w", c.name, err)
		}
		defer client.Close() //nolint:gocritic // at the end of the window
		clients[i] = client
	}
	pid := c.process.PID()
	if err := measure.ResetPeak(pid); err != nil {
		return window{}, err
	}
	before, err := measure.Read(pid)
	if err != nil {
		return window{}, err
	}
	earlier, err := c.spent(ctx)
	if err != nil {
		return window{}, err
	}
	finish, err := c.record(ctx, l.profile)
	if err != nil {
		return window{}, err
	}
	start := time.Now()
	took, err := c.ask(ctx, clients, l)
	elapsed := time.Since(start)
	if err := errors.Join(err, finish()); err != nil {
		return window{}, fmt.Errorf("%s, %s, %d callers: %w", c.name, l.transport, l.callers, err)
	}
	after, err := measure.Read(pid)
	if err != nil {
		return window{}, err
	}
	now, err := c.spent(ctx)
	if err != nil {
		return window{}, err
	}
	slices.Sort(took)
	return window{
		Contender: c.name, Transport: l.transport, Callers: l.callers, Offered: l.rate, Requests: len(took),
		PerSecond: float64(len(took)) / elapsed.Seconds(), P50: percentile(took, 50), P99: percentile(took, 99),
		CPU: (after.CPU - before.CPU).Seconds() * 1e3 / float64(len(took)), Peak: float64(after.Peak) / (1 << 20), Machine: machineLoad(),
		Own: now.mean(earlier), OwnP50: now.percentile(earlier, 50), OwnP99: now.percentile(earlier, 99),
	}, nil
}

// ask makes the requests of a window and returns how long each took, in
// milliseconds. With a rate that is the time from when it was due.
func (c *contender) ask(ctx context.Context, clients []*rpc.Client, l load) ([]float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	var (
		mu   sync.Mutex
		all  []float64
		next atomic.Int64
	)
	start := time.Now()
	for _, client := range clients {
		group.Go(func() error {
			var took []float64
			for n := 0; ; n++ {
				due := time.Now()
				if l.rate > 0 {
					due = start.Add(time.Duration(next.Add(1)-1) * time.Second / time.Duration(l.rate))
				}
				if due.Sub(start) >= l.window {
					break
				}
				if err := wait(ctx, due); err != nil {
					return err
				}
				if err := c.sign(ctx, client, n%checked == 0); err != nil {
					return err
				}
				took = append(took, time.Since(due).Seconds()*1e3)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no request in %s", l.window)
	}
	return all, nil
}

// wait waits until a moment, which may be over.
func wait(ctx context.Context, due time.Time) error {
	rest := time.Until(due)
	if rest <= 0 {
		return nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sign asks for one transaction of 1 wei with a nonce of its own.
func (c *contender) sign(ctx context.Context, client *rpc.Client, check bool) error {
	nonce := c.signed.Add(1)
	var answer struct {
		Raw hexutil.Bytes `json:"raw"`
	}
	err := client.CallContext(ctx, &answer, "account_signTransaction", map[string]string{
		"from": c.account.Hex(), "to": recipient, "gas": "0x5208", "value": "0x1", "nonce": "0x" + strconv.FormatUint(nonce, 16),
		"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3b9aca00", "chainId": hexutil.EncodeUint64(chain),
	})
	if err != nil || !check {
		return err
	}
	return c.verify(answer.Raw, nonce)
}

// verify tells whether a signed transaction is the one that was asked for, by
// the account that was asked.
func (c *contender) verify(raw []byte, nonce uint64) error {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("decoding what was signed: %w", err)
	}
	sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(chain)), &tx)
	if err != nil {
		return fmt.Errorf("recovering who signed: %w", err)
	}
	if sender != c.account || tx.Nonce() != nonce || tx.To() == nil || *tx.To() != common.HexToAddress(recipient) || tx.Value().Cmp(big.NewInt(1)) != 0 {
		return fmt.Errorf("asked for nonce %d of %s, signed is nonce %d of %s", nonce, c.account, tx.Nonce(), sender)
	}
	return nil
}

// percentile is the smallest value that so many percent do not exceed.
func percentile(sorted []float64, percent int) float64 {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
