package config

import (
	"strings"
	"testing"
	"time"
)

func callersOf(t *testing.T, text string) (*Config, error) {
	t.Helper()
	cfg, err := Parse("kvclef.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	err = cfg.Validate()
	return cfg, err
}

func TestCallersHaveDefaults(t *testing.T) {
	cfg, err := callersOf(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Limits.Callers.Default, (CallerLimits{Rate: "none", Burst: 1, InFlight: 256, Weight: 1}); got != want || cfg.Limits.MaxWait != 10*time.Second {
		t.Errorf("got %+v, %v, want %+v", got, cfg.Limits.MaxWait, want)
	}
	cfg, err = callersOf(t, `
limits:
  max_wait: 3s
  callers:
    default: {rate: 50/s, burst: 100, in_flight: 32}
    principals:
      batcher: {rate: 600/m, weight: 4}
      monitor: {in_flight: 2}
      free: {rate: none}
      CN=a.example: {burst: 7}
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]CallerLimits{
		"batcher":      {Rate: "600/m", Burst: 20, InFlight: 32, Weight: 4},
		"monitor":      {Rate: "50/s", Burst: 100, InFlight: 2, Weight: 1},
		"free":         {Rate: "none", Burst: 1, InFlight: 32, Weight: 1},
		"CN=a.example": {Rate: "50/s", Burst: 7, InFlight: 32, Weight: 1},
	} {
		if got := cfg.Limits.Callers.Principals[name]; got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if again := cfg.Validate(); again != nil {
		t.Errorf("validated twice: %v", again)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"50/s": 50, "0.5/s": 0.5, "600/m": 10, "3600/h": 1, "5 / s": 5, "none": 0} {
		if got, err := (&CallerLimits{Rate: text}).PerSecond(); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"50", "50/d", "/s", "s", "0/s", "-1/s", "NaN/s", "Inf/s", "1e99/s", "50/s/s", "fast"} {
		if got, err := (&CallerLimits{Rate: text}).PerSecond(); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestCallersThatCannotBeMeant(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a rate":         {"limits: {callers: {default: {rate: 50}}}", `limits.callers.default.rate: "50" is not a number of requests`},
		"a burst":        {"limits: {callers: {default: {burst: -1}}}", "limits.callers.default.burst: -1;"},
		"of a principal": {"limits: {callers: {principals: {a: {in_flight: -1}}}}", "limits.callers.principals.a.in_flight: -1;"},
		"a weight":       {"limits: {callers: {principals: {a: {weight: 1001}}}}", "limits.callers.principals.a.weight: 1001;"},
		"no name":        {`limits: {callers: {principals: {"": {}}}}`, "a principal without a name"},
		"unknown":        {"limits: {callers: {default: {rat: 50/s}}}", `unknown key "limits.callers.default.rat"`},
		"a wait":         {"limits: {max_wait: 0s}", "limits.max_wait: 0s;"},
		"waiting":        {"vaults: [{url: https://a.vault.azure.net, max_waiting: -1}]", "max_waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := callersOf(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestZerosThatAreWritten: where zero stands for what was left out, one that is written is
// refused with its line. Of a list or a mapping by name there are no defaults that a
// written zero would show against.
func TestZerosThatAreWritten(t *testing.T) {
	const vault = "vaults:\n  - url: https://a.vault.azure.net\n    "
	for text, want := range map[string]string{
		"limits:\n  callers:\n    default:\n      weight: 0":            "kvclef.yaml:4: limits.callers.default.weight: 0; it must be from 1 to 1000; ",
		"limits:\n  callers:\n    default:\n      burst: 0":             "kvclef.yaml:4: limits.callers.default.burst: 0; it must be from 1 to 1000000; ",
		"limits:\n  callers:\n    default:\n      in_flight: 0":         "kvclef.yaml:4: limits.callers.default.in_flight: 0; it must be from 1 to 1000000; ",
		"limits:\n  callers:\n    default:\n      rate: ''":             `kvclef.yaml:4: limits.callers.default.rate: ""; it must be a number of requests such as 50/s`,
		"limits:\n  callers:\n    principals:\n      a: {weight: 0}":    "kvclef.yaml:4: limits.callers.principals.a.weight: 0; it must be from 1 to 1000; ",
		"limits:\n  callers:\n    principals:\n      a: {burst: -0}":    "kvclef.yaml:4: limits.callers.principals.a.burst: -0; it must be from 1 to 1000000; ",
		"limits:\n  callers:\n    principals:\n      a: {in_flight: 0}": "kvclef.yaml:4: limits.callers.principals.a.in_flight: 0; it must be from 1 to 1000000; ",
		"limits:\n  callers:\n    default:\n      weight: -1":           "limits.callers.default.weight: -1; it must be from 1 to 1000",
		"limits:\n  callers:\n    default:\n      burst: -1":            "limits.callers.default.burst: -1; it must be from 1 to 1000000",
		"limits:\n  callers:\n    default:\n      in_flight: -1":        "limits.callers.default.in_flight: -1; it must be from 1 to 1000000",
		vault + "requests_per_second: 0":                                "kvclef.yaml:3: vaults[0].requests_per_second: 0; it must be above 0, or negative for no bound; ",
		vault + "requests_per_second: 0.0":                              "kvclef.yaml:3: vaults[0].requests_per_second: 0.0; it must be above 0, or negative for no bound; ",
		vault + "requests_per_second: .nan":                             "vaults[0].requests_per_second: NaN is not a number of requests; it must be above 0",
		vault + "requests_per_second: .inf":                             "vaults[0].requests_per_second: +Inf is not a number of requests; it must be above 0",
		vault + "max_in_flight: 0":                                      "kvclef.yaml:3: vaults[0].max_in_flight: 0; it must be at least 1; ",
		vault + "max_waiting: 0":                                        "kvclef.yaml:3: vaults[0].max_waiting: 0; it must be at least 1; ",
		vault + "max_waiting: -1":                                       "vaults[0]: max_in_flight, max_waiting, try_timeout and timeout must be above 0",
		vault + "try_timeout: 0s":                                       "kvclef.yaml:3: vaults[0].try_timeout: 0s; it must be above 0s; ",
		vault + "timeout: 0ms":                                          "kvclef.yaml:3: vaults[0].timeout: 0ms; it must be above 0s; ",
		"proxy: {gas_margin: .nan}":                                     "proxy.gas_margin: NaN; it must be from 1 to 10",
		"proxy: {tx_fee_cap: .nan}":                                     "proxy.tx_fee_cap: NaN; it must be from 0 to 1000000000",
	} {
		if _, err := callersOf(t, text); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	cfg, err := callersOf(t, "limits: {callers: {default: {weight: 2}, principals: {a: {weight: ~, rate: , burst: null}}}}")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Limits.Callers.Principals["a"], (CallerLimits{Rate: "none", Burst: 1, InFlight: 256, Weight: 2}); got != want {
		t.Errorf("keys without values: got %+v, want %+v", got, want)
	}
}
