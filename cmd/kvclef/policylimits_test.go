package main

import (
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store"
)

func TestUseOf(t *testing.T) {
	t.Parallel()
	names := policytest.NamesOf([]byte(`tokens: {USDC: {address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}}`))
	ether := uint256.NewInt(1e18)
	l := &limit.Limit{ID: "day", Measure: limit.Spend, Max: *ether, Window: 24 * time.Hour}
	use := useOf(l, names, "0x71", store.Counter{Used: *uint256.NewInt(25e16), Held: *uint256.NewInt(1e16)})
	if use.shown != [4]string{"0.25 ether", "0.01 ether", "1 ether", "0.75 ether"} || use.Window != "24h" || use.Per != "0x71" || use.Free.Uint64() != 75e16 {
		t.Errorf("%+v", use)
	}
	if use := useOf(l, names, "", store.Counter{Used: *uint256.NewInt(2e18)}); use.shown[3] != "0 ether" {
		t.Errorf("more is used than there is: %+v", use)
	}
}

func TestCountsFor(t *testing.T) {
	t.Parallel()
	l := &limit.Limit{ID: "pay/value", Measure: limit.Value}
	for counter, want := range map[string]string{
		"pay/value/value": "", "pay/value/value/account=0x71": "account=0x71", "pay/value/value/account=0x71/chain=1": "account=0x71 chain=1",
		"pay/value/account/value/account=0x71": "-", "pay/value/spend": "-", "pay/value": "-", "pay": "-", "other": "-",
	} {
		per, ok := countsFor(l, counter)
		if !ok {
			per = "-"
		}
		if per != want {
			t.Errorf("%s: %q, want %q", counter, per, want)
		}
	}
}

func TestShownWindow(t *testing.T) {
	t.Parallel()
	for span, want := range map[time.Duration]string{
		time.Second: "1s", time.Minute: "1m", 90 * time.Minute: "1h30m", 24 * time.Hour: "24h", 168 * time.Hour: "7d", 36*time.Hour + time.Second: "36h0m1s", 10 * time.Minute: "10m",
	} {
		if got := shownWindow(span); got != want {
			t.Errorf("%v: %s, want %s", span, got, want)
		}
	}
}
