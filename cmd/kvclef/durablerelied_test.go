package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// heldLog is a closed audit log with holds in its third and fourth entries, one of
// which has expired.
func heldLog(t *testing.T, now time.Time) (path string, heads []store.LogHead) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(t.Context(), path, audit.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	heads = append(heads, store.LogHead{Log: path})
	hold := func(id uint64, expires time.Time) *audit.Hold {
		return &audit.Hold{ID: id, Time: now.Add(time.Duration(id)), Charges: []audit.Charge{{Counter: "daily", Slot: "nonce 1", Amount: "12", Expires: expires}}}
	}
	for _, entry := range []audit.Entry{
		{Event: audit.EventStart},
		{Event: audit.EventDecision, Verdict: "reject"},
		{Event: audit.EventDecision, Verdict: "approve", Hold: hold(1, now.Add(time.Hour))},
		{Event: audit.EventDecision, Verdict: "approve", Hold: hold(2, now)},
		{Event: audit.EventOutcome},
	} {
		if err := log.Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		seq, hash := log.Head()
		heads = append(heads, store.LogHead{Log: path, Seq: seq, Hash: hash})
	}
	return path, heads
}

// TestHeldSince reads what a state has forgotten from a log, and takes no other log.
func TestHeldSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	path, heads := heldLog(t, now)
	other, otherHeads := heldLog(t, now.Add(time.Second))
	empty := filepath.Join(t.TempDir(), "empty.log")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		from store.LogHead
		want string // the holds, or the error
	}{
		"from the beginning":    {heads[0], "[1]"},
		"from before the first": {heads[2], "[1]"},
		"from the first":        {heads[3], "[]"},
		"from the last":         {heads[5], "[]"},
		"a shorter log":         {store.LogHead{Log: path, Seq: 6, Hash: heads[5].Hash}, "ends before entry 6"},
		"an empty log":          {store.LogHead{Log: empty, Seq: 6, Hash: heads[5].Hash}, "ends before entry 6"},
		"another log":           {store.LogHead{Log: other, Seq: 4, Hash: heads[4].Hash}, "it is another log"},
		"that log":              {otherHeads[4], "[]"},
		"no log":                {store.LogHead{Log: path + ".none", Seq: 4, Hash: heads[4].Hash}, fs.ErrNotExist.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := heldSince(t.Context(), tt.from, 0)
			got := make([]rules.HoldID, 0, len(l.held))
			for _, r := range l.held {
				got = append(got, r.ID)
			}
			if text := fmt.Sprint(got, err); !strings.Contains(text, tt.want) || (err == nil) != strings.HasPrefix(tt.want, "[") {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
	l, err := heldSince(t.Context(), heads[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := l.held[0].Charges[0]; !l.held[0].At.Equal(now.Add(1)) || c.Counter != "daily" || c.Slot != "nonce 1" || c.Amount.Uint64() != 12 || !c.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v", l.held[0])
	}
}

const tenWei = `
version: 1
rules:
  - id: pay
    effect: allow
    match: {kind: transaction, value_max: 10 wei}
    limits: [{measure: value, max: 10 wei, window: 24h, per: [account]}]
`

// pay has a signer decide about a payment, and records the decision.
func pay(t *testing.T, d *durable, nonce uint64, wei int64) rules.Verdict {
	t.Helper()
	to, chain := common.Address{1}, big.NewInt(1337)
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: chain, Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), To: &to, Value: big.NewInt(wei)})
	req := &rules.Request{
		Kind: rules.KindTransaction, Account: rules.Account{Address: common.Address{2}}, Transaction: tx, ChainID: chain,
		Digest: types.LatestSignerForChainID(chain).Hash(tx),
	}
	decision, err := d.decider().Decide(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if decision.Verdict == rules.Approve && decision.Reservation == nil {
		t.Error("nothing is left to the record")
	}
	entry := audit.Entry{Event: audit.EventDecision, Verdict: decision.Verdict.String(), Hold: written(decision.Reservation)}
	if err := d.record(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	return decision.Verdict
}

// crash has a signer decide and ends it, and leaves its state as it was before.
func crash(t *testing.T, p prepared, d *durable, decide func()) {
	t.Helper()
	state, err := os.ReadFile(p.dir.Store())
	if err != nil {
		t.Fatal(err)
	}
	decide()
	log, err := os.ReadFile(p.cfg.Audit.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.write(t, p.dir.Store(), string(state))
	p.write(t, p.cfg.Audit.File, string(log))
}

func (p prepared) read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestLimitsOutliveACrash: what was decided counts after a crash that left the state
// without it, by what the audit log says. Without that log nothing starts.
func TestLimitsOutliveACrash(t *testing.T) {
	t.Parallel()
	p := prepare(t, soundRules, nil)
	p.cfg.Rules.File, p.cfg.Rules.Policy = "", filepath.Join(p.dir.Path(), "policy.yaml")
	p.write(t, p.cfg.Rules.Policy, tenWei)
	p.cfg.Audit.File = p.dir.AuditLog()
	open := func() (*durable, error) {
		return openDurable(t.Context(), p.cfg, durableOptions{path: p.cfg.DataDir}, slog.New(slog.DiscardHandler))
	}
	start := func() *durable {
		d, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.begin(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := start()
	early, earlyLog := p.read(t, p.dir.Store()), p.read(t, p.cfg.Audit.File)
	crash(t, p, d, func() {
		if verdict := pay(t, d, 1, 6); verdict != rules.Approve {
			t.Errorf("6 of 10 wei: %v", verdict)
		}
	})
	if summary, err := bolt.Inspect(t.Context(), p.dir.Store(), time.Now(), false); err != nil || len(summary.Counters) > 0 {
		t.Fatalf("the state has what was held: %+v, %v", summary, err)
	}
	d = start()
	crash(t, p, d, func() {
		if verdict := pay(t, d, 2, 5); verdict != rules.Reject {
			t.Errorf("11 of 10 wei: %v", verdict)
		}
		if verdict := pay(t, d, 3, 4); verdict != rules.Approve {
			t.Errorf("10 of 10 wei: %v", verdict)
		}
	})

	// Without the log nothing starts, wherever another is begun.
	first, log := p.cfg.Audit.File, p.read(t, p.cfg.Audit.File)
	refused := func(what string) {
		t.Helper()
		if d, err := open(); err == nil || d != nil {
			t.Errorf("it starts without the log that its state relies on: %s", what)
		}
	}
	p.remove(t, first)
	refused("none at its path")
	p.cfg.Audit.File = filepath.Join(p.dir.Path(), "second.log")
	refused("another path")
	p.write(t, first, log[:len(log)/2])
	refused("half of it at its path")
	p.remove(t, first)

	// With it in another place all is counted.
	p.cfg.Audit.File = filepath.Join(p.dir.Path(), "moved.log")
	p.write(t, p.cfg.Audit.File, log)
	d = start()
	if verdict := pay(t, d, 4, 1); verdict != rules.Reject {
		t.Errorf("11 of 10 wei, with a log that was moved: %v", verdict)
	}
	if err := d.close(t.Context()); err != nil {
		t.Error(err)
	}

	// Where the former log is in its place, it is asked; and so is another that was
	// begun since, when the state is put back.
	p.write(t, p.dir.Store(), early)
	p.write(t, first, log)
	p.cfg.Audit.File = filepath.Join(p.dir.Path(), "third.log")
	d = start()
	if verdict := pay(t, d, 5, 1); verdict != rules.Reject {
		t.Errorf("11 of 10 wei, in a third log: %v", verdict)
	}
	if err := d.close(t.Context()); err != nil {
		t.Error(err)
	}
	p.write(t, p.dir.Store(), early)
	p.write(t, first, earlyLog)
	d = start()
	if verdict := pay(t, d, 6, 10); verdict != rules.Approve {
		t.Errorf("10 of 10 wei: %v", verdict)
	}
	if err := d.close(t.Context()); err != nil {
		t.Error(err)
	}
	p.write(t, p.dir.Store(), early)
	d = start()
	if verdict := pay(t, d, 7, 1); verdict != rules.Reject {
		t.Errorf("11 of 10 wei, 10 of them in another log than the state relies on: %v", verdict)
	}
	if err := d.close(t.Context()); err != nil {
		t.Error(err)
	}
	d = start() // nothing is left to ask for
	if err := d.close(t.Context()); err != nil {
		t.Error(err)
	}
}
