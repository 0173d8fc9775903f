package policysuggest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// window is that of all limits of a draft.
const window = 24 * time.Hour

// measured are the limits that are tried for requests of a kind.
func measured(kind, id string) []limit.Limit {
	var measures []limit.Measure
	switch kind {
	case facts.KindTransaction, facts.KindSafe:
		measures = []limit.Measure{limit.Value, limit.GasCost, limit.Spend, limit.Signatures}
	case facts.KindList, facts.KindNewAccount:
	default:
		measures = []limit.Measure{limit.Signatures}
	}
	all := make([]limit.Limit, 0, len(measures))
	for _, measure := range measures {
		l := limit.Limit{ID: id, Measure: measure, Window: window}
		if err := l.Prepare(); err == nil {
			all = append(all, l)
		}
	}
	return all
}

// shapeOf returns the shape of a request, with what of it can be counted: what one
// request moves in a way that is not known must not end the totals of others.
func (c *collector) shapeOf(f *facts.Facts) (s shape, why string) {
	s, why = shapeOf(f, c.options.Open)
	if why != "" {
		return s, why
	}
	probes, ok := c.probes[f.Kind]
	if !ok {
		probes = measured(f.Kind, "probe")
		if len(probes) > 0 {
			if l := (limit.Limit{ID: "probe", Measure: limit.Amount, Window: window}); l.Prepare() == nil {
				probes = append(probes, l)
			}
		}
		c.probes[f.Kind] = probes
	}
	s.counted = addsUp(f)
	for i := range probes {
		if _, err := probes[i].Charges(f); err == nil {
			continue
		}
		if probes[i].Measure == limit.Amount {
			s.counted = false
		} else {
			s.unmeasured += string(probes[i].Measure) + " "
		}
	}
	return s, ""
}

// addsUp tells whether all that moves tokens has an amount: what has no bound has no
// total either, ids are no amounts, and calls that are not known may move any token.
func addsUp(f *facts.Facts) bool {
	for i := range f.Actions {
		a := &f.Actions[i]
		if a.Decoding == facts.Other || a.Decoding == facts.Unknown || a.Opaque != "" {
			return false
		}
		for j := range a.Effects {
			if a.Effects[j].Unlimited || a.Effects[j].ID != nil {
				return false
			}
		}
	}
	return true
}

// lacks tells whether a measure fails for the requests of a shape.
func (s *shape) lacks(measure limit.Measure) bool {
	return slices.Contains(strings.Fields(s.unmeasured), string(measure))
}

// hold counts a request, and notes how high the totals are that it counts for.
// It says why the request can't be counted.
func (g *group) hold(ctx context.Context, ledger *memory.Ledger, f *facts.Facts, one *Observed) (why string, err error) {
	if !g.meet(f) {
		return whyTokens, nil
	}
	charges, ok := g.charges(f)
	if !ok {
		return whyMeasure, nil // nothing that others have done is measured less for it
	}
	if len(charges) == 0 {
		return "", nil
	}
	for i := range charges {
		charges[i].Cap.SetAllOne() // how high it rises is the question
	}
	id, err := ledger.Hold(ctx, charges)
	var over *rules.OverLimitError
	var full *rules.SlotError
	switch {
	case errors.As(err, &over):
		return whyAmount, nil
	case errors.As(err, &full):
		return whyOften, nil
	case err != nil:
		return "", fmt.Errorf("counting entry %d: %w", one.Seq, err)
	}
	for i := range charges {
		name := charges[i].Counter
		if g.ceiling[name] == nil {
			g.ceiling[name] = &peak{}
		}
		total := ledger.Total(name)
		g.ceiling[name].add(&total, one.Seq)
	}
	return "", ledger.Commit(ctx, id)
}

// charges are what a request counts for, false if some of it can't be counted.
func (g *group) charges(f *facts.Facts) (all []rules.Charge, ok bool) {
	for i := range g.limits {
		counted, err := g.limits[i].Charges(f)
		if err != nil {
			return nil, false
		}
		all = append(all, counted...)
	}
	return all, true
}

// maxTokenLimits bounds the tokens that a rule has limits for.
const maxTokenLimits = 16

// meet makes limits for tokens that are new to the group, if it counts any. It is
// false if there are more than a rule has limits for.
func (g *group) meet(f *facts.Facts) bool {
	if !g.shape.counted || g.shape.chain == 0 {
		return true
	}
	var fresh []common.Address
	met := func(token common.Address) {
		if !slices.Contains(g.met, token) && !slices.Contains(fresh, token) {
			fresh = append(fresh, token)
		}
	}
	for i := range f.Actions {
		for j := range f.Actions[i].Effects {
			met(f.Actions[i].Effects[j].Token)
		}
	}
	if paid := &g.shape.safe; paid.paid && paid.token != (common.Address{}) {
		met(paid.token)
	}
	if len(g.met)+len(fresh) > maxTokenLimits {
		return false
	}
	for _, token := range fresh {
		l := limit.Limit{ID: g.id, Measure: limit.Amount, Window: window, Token: &token, Chain: g.shape.chain}
		if err := l.Prepare(); err == nil {
			g.limits = append(g.limits, l)
		}
	}
	g.met = append(g.met, fresh...)
	return true
}

// total is the highest total of a measure, nil if nothing was counted or it
// can't be measured.
func (g *group) total(measure limit.Measure) *peak {
	for i := range g.limits {
		if g.limits[i].Measure == measure {
			return g.ceiling[g.id+"/"+string(measure)]
		}
	}
	return nil
}

// totalOf is the highest total of a token.
func (g *group) totalOf(token common.Address) *peak {
	for i := range g.limits {
		if l := &g.limits[i]; l.Measure == limit.Amount && *l.Token == token {
			return g.ceiling[fmt.Sprintf("%s/%s/token=%d:0x%x", g.id, l.Measure, g.shape.chain, token[:])]
		}
	}
	return nil
}
