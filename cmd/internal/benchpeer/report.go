package main

import (
	"slices"
	"time"
)

// report is all that was measured.
type report struct {
	Started  time.Time `json:"started"`
	Machine  machine   `json:"machine"`
	Programs programs  `json:"programs"`
	Rounds   int       `json:"rounds"`
	Window   string    `json:"window"`
	Windows  []window  `json:"windows"`
	Cells    []window  `json:"medians"` // of the windows of a contender at a load
	Ratios   []ratio   `json:"ratios"`
	Totals   []counted `json:"totals"`
}

// ratio compares two contenders at a load: the median of the ratios of the
// rounds, kvclef's figure by Clef's.
type ratio struct {
	Kvclef    string  `json:"kvclef"`
	Clef      string  `json:"clef"`
	Transport string  `json:"transport"`
	Callers   int     `json:"callers"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	CPU       float64 `json:"cpu"`
	Peak      float64 `json:"peak"`
	Target    float64 `json:"target,omitempty"` // of PerSecond; 0: none
}

// counted is how many transactions of 1 wei were signed, and what the contender
// has counted of them.
type counted struct {
	Contender string `json:"contender"`
	Signed    uint64 `json:"signed"`
	Total     string `json:"total"`
}

// pair is what is compared, with the targets by callers.
type pair struct {
	kvclef, clef string
	targets      map[int]float64
}

// pairs are the comparisons: with the same rule file, and of the policy.
func pairs() []pair {
	free := map[int]float64{1: 5, 8: 10, 64: 15}
	light := map[int]float64{1: 35, 8: 55, 64: 90}
	return []pair{
		{kvclefPolicy, clefFree, free},
		{kvclefPolicy, clefLight, light},
		{kvclefAfter, clefFree, free},
		{kvclefAfter, clefLight, light},
		{kvclefBefore, clefFreeBefore, free},
		{kvclefBefore, clefLight, light},
	}
}

// summarise takes medians and ratios of the windows.
func (r *report) summarise() {
	for _, w := range r.Windows {
		if w.Round == 1 {
			r.Cells = append(r.Cells, median(r.windowsOf(w.Contender, w)))
		}
	}
	for _, pair := range pairs() {
		for _, w := range r.Windows {
			if w.Round == 1 && w.Contender == pair.kvclef && w.Offered == 0 {
				ours, theirs := r.windowsOf(pair.kvclef, w), r.windowsOf(pair.clef, w)
				if len(theirs) == len(ours) { // else Clef is not among them
					r.Ratios = append(r.Ratios, compare(pair, ours, theirs))
				}
			}
		}
	}
}

// windowsOf returns a contender's windows at the load of w, by round.
func (r *report) windowsOf(contender string, w window) []window {
	var all []window
	for _, other := range r.Windows {
		if other.Contender == contender && other.Transport == w.Transport && other.Callers == w.Callers && other.Offered == w.Offered {
			all = append(all, other)
		}
	}
	slices.SortFunc(all, func(a, b window) int { return a.Round - b.Round })
	return all
}

// median is the median of each figure.
func median(windows []window) window {
	m := windows[0]
	m.Round = 0
	of := func(figure func(window) float64) float64 {
		all := make([]float64, len(windows))
		for i, w := range windows {
			all[i] = figure(w)
		}
		return middle(all)
	}
	m.Requests = int(of(func(w window) float64 { return float64(w.Requests) }))
	m.PerSecond = of(func(w window) float64 { return w.PerSecond })
	m.P50 = of(func(w window) float64 { return w.P50 })
	m.P99 = of(func(w window) float64 { return w.P99 })
	m.CPU = of(func(w window) float64 { return w.CPU })
	m.Peak = of(func(w window) float64 { return w.Peak })
	m.Own = of(func(w window) float64 { return w.Own })
	m.OwnP50 = of(func(w window) float64 { return w.OwnP50 })
	m.OwnP99 = of(func(w window) float64 { return w.OwnP99 })
	m.Machine = of(func(w window) float64 { return w.Machine })
	return m
}

// compare takes the ratios of two contenders' windows round by round.
func compare(p pair, ours, theirs []window) ratio {
	of := func(figure func(window) float64) float64 {
		all := make([]float64, len(ours))
		for i := range ours {
			all[i] = figure(ours[i]) / figure(theirs[i])
		}
		return middle(all)
	}
	return ratio{
		Kvclef: p.kvclef, Clef: p.clef, Transport: ours[0].Transport, Callers: ours[0].Callers, Target: p.targets[ours[0].Callers],
		PerSecond: of(func(w window) float64 { return w.PerSecond }),
		P50:       of(func(w window) float64 { return w.P50 }),
		P99:       of(func(w window) float64 { return w.P99 }),
		CPU:       of(func(w window) float64 { return w.CPU }),
		Peak:      of(func(w window) float64 { return w.Peak }),
	}
}

// middle is the median of values, which it sorts.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
