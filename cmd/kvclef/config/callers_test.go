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
