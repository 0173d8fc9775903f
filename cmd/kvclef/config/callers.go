package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Callers bound what each caller may ask.
type Callers struct {
	// Default are the bounds of a caller that has none of its own. Those who come to
	// a listener without proof of who they are count as one caller.
	Default CallerLimits `yaml:"default"`

	// Principals are the bounds of callers by their principal, as policies name it;
	// anonymous is of those without proof. What is left out is as in default.
	Principals map[string]CallerLimits `yaml:"principals"`
}

// CallerLimits are the bounds of a caller. Zero is what was left out.
type CallerLimits struct {
	// Rate is how many requests may come, such as 50/s, 600/m or 1000/h; none is no
	// bound. Default: none.
	Rate string `yaml:"rate" given:"a number of requests such as 50/s, 600/m or 1000/h, or none"`

	// Burst is how many of them may come at once. Default: two seconds of the rate.
	Burst int `yaml:"burst" given:"from 1 to 1000000"`

	// InFlight is how many may be under way, those that wait included. Default: 256.
	InFlight int `yaml:"in_flight" given:"from 1 to 1000000"`

	// Weight is how many turns the caller has in a round where callers wait for a
	// vault. Default: 1.
	Weight int `yaml:"weight" given:"from 1 to 1000"`
}

// noRate is the word for a rate without bound.
const noRate = "none"

func defaultCallers() Callers {
	return Callers{Default: CallerLimits{Rate: noRate, InFlight: 256, Weight: 1}}
}

// Most of what may be meant.
const (
	maxCallerRate     = 100_000 // requests a second
	maxCallerInFlight = 1_000_000
	maxCallerWeight   = 1000
	maxMaxWait        = 10 * time.Minute
)

func (c *Config) validateCallers() error {
	callers := &c.Limits.Callers
	failures := problems{callers.Default.complete("limits.callers.default", defaultCallers().Default)}
	for _, name := range slices.Sorted(maps.Keys(callers.Principals)) {
		limits := callers.Principals[name]
		failures.when(strings.TrimSpace(name) == "", "limits.callers.principals: a principal without a name")
		failures = append(failures, limits.complete("limits.callers.principals."+name, callers.Default))
		callers.Principals[name] = limits
	}
	wait := c.Limits.MaxWait
	failures.when(wait <= 0 || wait > maxMaxWait, "limits.max_wait: %s; it must be above 0s and at most %s", wait, maxMaxWait)
	return errors.Join(failures...)
}

// complete fills in what was left out, and checks the rest.
func (l *CallerLimits) complete(key string, from CallerLimits) error {
	if l.Rate == "" {
		l.Rate = from.Rate
		if l.Burst == 0 {
			l.Burst = from.Burst
		}
	}
	if l.InFlight == 0 {
		l.InFlight = from.InFlight
	}
	if l.Weight == 0 {
		l.Weight = from.Weight
	}
	rate, err := l.PerSecond()
	if err != nil {
		err = fmt.Errorf("%s.rate: %w", key, err)
	}
	if l.Burst == 0 {
		l.Burst = max(1, int(2*rate))
	}
	var p problems
	p.when(l.Burst < 0 || l.Burst > 10*maxCallerRate, "%s.burst: %d; it must be from 1 to %d", key, l.Burst, 10*maxCallerRate)
	p.when(l.InFlight < 0 || l.InFlight > maxCallerInFlight, "%s.in_flight: %d; it must be from 1 to %d", key, l.InFlight, maxCallerInFlight)
	p.when(l.Weight < 0 || l.Weight > maxCallerWeight, "%s.weight: %d; it must be from 1 to %d", key, l.Weight, maxCallerWeight)
	return errors.Join(append(p, err)...)
}

// PerSecond returns the rate in requests a second, 0 if there is no bound.
func (l *CallerLimits) PerSecond() (float64, error) {
	if l.Rate == noRate {
		return 0, nil
	}
	number, unit, _ := strings.Cut(l.Rate, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	count, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || seconds == 0 || !(count > 0 && count/seconds <= maxCallerRate) { // NaN too
		return 0, fmt.Errorf("%q is not a number of requests in a second, a minute or an hour, such as 50/s, 600/m or 1000/h, nor the word %s", l.Rate, noRate)
	}
	return count / seconds, nil
}
