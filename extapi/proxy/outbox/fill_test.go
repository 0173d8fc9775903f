package outbox

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// TestFees: what is filled in, by what the caller gave and the chain has. Base fee
// 1 gwei, tip 1,000,000 wei.
func TestFees(t *testing.T) {
	const free = `{"to":"0x00000000000000000000000000000000000000aa"}`
	with := func(members string) string { return strings.TrimSuffix(free, "}") + "," + members + "}" }
	for name, test := range map[string]struct {
		members string
		legacy  bool // before London
		kind    uint8
		feeCap  int64
		tipCap  int64
		err     string
	}{
		"nothing":               {free, false, types.DynamicFeeTxType, 2_001_000_000, 1_000_000, ""},
		"nothing, legacy":       {free, true, types.LegacyTxType, 1_000_000, 1_000_000, ""},
		"gas price":             {with(`"gasPrice":"0x7"`), false, types.LegacyTxType, 7, 7, ""},
		"free gas":              {with(`"gasPrice":"0x0"`), true, types.LegacyTxType, 0, 0, ""},
		"price and list":        {with(`"gasPrice":"0x7","accessList":[]`), false, types.AccessListTxType, 7, 7, ""},
		"list":                  {with(`"accessList":[]`), false, types.DynamicFeeTxType, 2_001_000_000, 1_000_000, ""},
		"list, legacy":          {with(`"accessList":[]`), true, types.AccessListTxType, 1_000_000, 1_000_000, ""},
		"tip":                   {with(`"maxPriorityFeePerGas":"0x5"`), false, types.DynamicFeeTxType, 2_000_000_005, 5, ""},
		"cap":                   {with(`"maxFeePerGas":"0x77359400"`), false, types.DynamicFeeTxType, 2_000_000_000, 1_000_000, ""},
		"cap below the tip":     {with(`"maxFeePerGas":"0x5"`), false, types.DynamicFeeTxType, 5, 5, ""},
		"both":                  {with(`"maxFeePerGas":"0x5","maxPriorityFeePerGas":"0x4"`), false, types.DynamicFeeTxType, 5, 4, ""},
		"both, legacy":          {with(`"maxFeePerGas":"0x5","maxPriorityFeePerGas":"0x4"`), true, types.DynamicFeeTxType, 5, 4, ""},
		"type 0":                {with(`"type":"0x0"`), false, types.LegacyTxType, 1_001_000_000, 1_001_000_000, ""},
		"type 1":                {with(`"type":"0x1"`), false, types.AccessListTxType, 1_001_000_000, 1_001_000_000, ""},
		"type 2":                {with(`"type":"0x2"`), false, types.DynamicFeeTxType, 2_001_000_000, 1_000_000, ""},
		"tip above the cap":     {with(`"maxFeePerGas":"0x4","maxPriorityFeePerGas":"0x5"`), false, 0, 0, 0, "maxFeePerGas (0x4) < maxPriorityFeePerGas (0x5)"},
		"price and cap":         {with(`"maxFeePerGas":"0x4","gasPrice":"0x5"`), false, 0, 0, 0, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"},
		"tip, legacy":           {with(`"maxPriorityFeePerGas":"0x5"`), true, 0, 0, 0, "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active"},
		"type 0 with a cap":     {with(`"type":"0x0","maxFeePerGas":"0x4"`), false, 0, 0, 0, "a transaction of type 0x0 has a gasPrice"},
		"type 2 with a price":   {with(`"type":"0x2","gasPrice":"0x4"`), false, 0, 0, 0, "type 0x2 does not agree"},
		"type 2, legacy":        {with(`"type":"0x2"`), true, 0, 0, 0, "type 0x2 does not agree"},
		"type 3 without blobs":  {with(`"type":"0x3"`), false, 0, 0, 0, "type 0x3 does not agree"},
		"data and other input":  {with(`"data":"0x01","input":"0x02"`), false, 0, 0, 0, `both "data" and "input" are set and not equal`},
		"creation of nothing":   {`{"value":"0x0"}`, false, 0, 0, 0, "contract creation without any data provided"},
		"authorization, price":  {with(`"gasPrice":"0x5","authorizationList":[]`), false, 0, 0, 0, "both gasPrice and authorizationList specified"},
		"empty authorizations":  {with(`"authorizationList":[]`), false, 0, 0, 0, "authorizationList is empty"},
		"a tip without its cap": {with(`"maxPriorityFeePerGas":"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`), false, 0, 0, 0, "maxFeePerGas: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			if test.legacy {
				w.node.base = nil
			}
			filled, err := w.Fill(t.Context(), w.tx(t, "%s", test.members))
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("%v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tx := filled.Tx
			if tx.Type() != test.kind || tx.GasFeeCap().Int64() != test.feeCap || tx.GasTipCap().Int64() != test.tipCap {
				t.Errorf("type %d, cap %v, tip %v", tx.Type(), tx.GasFeeCap(), tx.GasTipCap())
			}
		})
	}
}

// TestGas: the estimate is asked for what is sent, and has a margin.
func TestGas(t *testing.T) {
	w := newWorld(t, nil)
	var asked map[string]any
	w.node.estimate = func(args map[string]any) (uint64, error) { asked = args; return 100_001, nil }
	filled, err := w.Fill(t.Context(), w.tx(t, `{"to":"%v","value":"0x5","input":"0x0102","maxFeePerGas":"0x77359400","accessList":[{"address":"%v","storageKeys":[]}]}`, w.vault.address(1), w.vault.address(2)))
	if err != nil || filled.Tx.Gas() != 120_002 {
		t.Fatalf("%+v, %v", filled, err)
	}
	for _, name := range []string{"from", "to", "value", "data", "maxFeePerGas", "maxPriorityFeePerGas", "accessList"} {
		if asked[name] == nil {
			t.Errorf("%s was not asked with", name)
		}
	}
	w.node.estimate = func(map[string]any) (uint64, error) {
		return 0, &saidError{3, "execution reverted: no", "0x08c379a0"}
	}
	_, err = w.Send(t.Context(), w.transfer(t, 1), "")
	var code rpc.Error
	if !errors.As(err, &code) || code.ErrorCode() != 3 || err.Error() != "execution reverted: no" {
		t.Errorf("a revert is told as %v", err)
	}
	if filled, err := w.Fill(t.Context(), w.tx(t, `{"to":"%v","gas":"0x5208"}`, w.vault.address(1))); err != nil || filled.Tx.Gas() != 21_000 {
		t.Errorf("given gas: %+v, %v", filled, err)
	}
}

// TestMargin: a margin stays below what a block and a transaction may hold.
func TestMargin(t *testing.T) {
	for _, test := range []struct{ estimated, block, want uint64 }{
		{21_000, 30_000_000, 21_000},
		{21_001, 30_000_000, 25_202},
		{50_000, 55_000, 55_000},
		{50_000, 40_000, 60_000},
		{16_000_000, 60_000_000, 16_777_216},
		{20_000_000, 60_000_000, 24_000_000},
		{1 << 63, 60_000_000, 1 << 63},
	} {
		if got := margin(test.estimated, test.block, 1.2); got != test.want {
			t.Errorf("%d in %d: %d, want %d", test.estimated, test.block, got, test.want)
		}
	}
}

// TestFeesAreAsked: what fees are is asked again when it is old.
func TestFeesAreAsked(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.mustSend(t, w.transfer(t, 1), "")
		w.clock.move(700 * time.Millisecond)
	}
	if n := w.node.called("eth_maxPriorityFeePerGas"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// TestTipFallback: a node that knows no tips is asked for its price.
func TestTipFallback(t *testing.T) {
	w := newWorld(t, nil)
	w.node.fault = func(method string, _ []any) (bool, error) {
		if method == "eth_maxPriorityFeePerGas" {
			return false, &saidError{-32601, "Method not found", nil}
		}
		return false, nil
	}
	filled, err := w.Fill(t.Context(), w.transfer(t, 1))
	if err != nil || filled.Tx.GasTipCap().Int64() != 1_000_000 {
		t.Errorf("%+v, %v", filled, err)
	}
}

// TestErrorsKeepSecrets: no error tells where the node is.
func TestErrorsKeepSecrets(t *testing.T) {
	w := newWorld(t, nil)
	for _, url := range []string{"http://user:secret@127.0.0.1:1/v2/secret", "ws://127.0.0.1:1/secret"} {
		node, err := rpc.DialOptions(t.Context(), "http://user:secret@127.0.0.1:1/v2/secret")
		if err != nil {
			t.Fatal(err)
		}
		w.client.node = node
		_, err = w.Send(t.Context(), w.transfer(t, 1), "")
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", url, err)
		}
		node.Close()
	}
}

// TestBump: fees are raised enough, the two are linked, and the one that is mined
// replaces the other.
func TestBump(t *testing.T) {
	for name, members := range map[string]string{
		"caps":  `{"to":"%v","value":"0x5","data":"0xd0e30db0"}`,
		"price": `{"to":"%v","value":"0x5","gasPrice":"0x77359400"}`,
		"list":  `{"to":"%v","value":"0x5","gasPrice":"0x77359400","accessList":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			old := w.mustSend(t, w.tx(t, members, w.vault.address(1)), "")
			w.clock.move(time.Second)
			bumped, err := w.Bump(t.Context(), old, 0)
			if err != nil {
				t.Fatal(err)
			}
			was, is := w.wantState(t, old, StateSent), w.wantState(t, bumped, StateSent)
			if is.Nonce != was.Nonce || is.Value.Cmp(was.Value) != 0 || is.Gas != was.Gas || *is.Replaces != old {
				t.Errorf("%+v is for %+v", is, was)
			}
			least := raised(was.FeeCap, leastRaise)
			if is.FeeCap.Cmp(least) < 0 || is.TipCap.Cmp(raised(was.TipCap, leastRaise)) < 0 {
				t.Errorf("fees are %v and %v", is.FeeCap, is.TipCap)
			}
			w.node.restart() // it is the newer one that is sent again
			w.clock.move(time.Minute)
			w.step(t.Context())
			w.block(t)
			w.wantState(t, bumped, StateMined)
			if was := w.wantState(t, old, StateReplaced); *was.ReplacedBy != bumped {
				t.Errorf("it was replaced by %v", was.ReplacedBy)
			}
			if _, err := w.Bump(t.Context(), old, 0); err == nil {
				t.Error("it was raised again")
			}
		})
	}
}

// TestCancel: a cancelled transaction sends nothing.
func TestCancel(t *testing.T) {
	w := newWorld(t, nil)
	old := w.mustSend(t, w.tx(t, `{"to":"%v","value":"0x5","data":"0xd0e30db0"}`, w.vault.address(1)), "")
	next := w.mustSend(t, w.transfer(t, 6), "")
	canceled, err := w.Cancel(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	w.block(t)
	w.wantState(t, old, StateReplaced)
	w.wantState(t, next, StateMined)
	tx := w.wantState(t, canceled, StateMined)
	if tx.Value.Sign() != 0 || *tx.To != w.vault.address(0) || tx.Gas != 21_000 || tx.Nonce != 0 {
		t.Errorf("%+v", tx)
	}
	if _, err := w.Cancel(t.Context(), common.Hash{9}); err == nil {
		t.Error("an unknown one is cancelled")
	}
}

// TestRaised: fees are rounded up, and are higher than they were.
func TestRaised(t *testing.T) {
	for fee, want := range map[int64]int64{0: 1, 1: 2, 8: 9, 1000: 1125, 1001: 1127} {
		if got := raised(big.NewInt(fee), leastRaise); got.Int64() != want {
			t.Errorf("%d becomes %v, want %d", fee, got, want)
		}
	}
}
