package policysuggest

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// hold counts a request, and notes how high the totals are that it counts for.
// It says why the request can't be counted.
func (g *group) hold(ctx context.Context, ledger *memory.Ledger, f *facts.Facts, one *Observed) (why string, err error) {
	g.meet(f)
	var charges []rules.Charge
	g.limits = slices.DeleteFunc(g.limits, func(l limit.Limit) bool {
		counted, err := l.Charges(f)
		if err != nil {
			g.failed[l.Measure] = true
			return true
		}
		charges = append(charges, counted...)
		return false
	})
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

// maxTokenLimits bounds the tokens that a rule has limits for.
const maxTokenLimits = 16

// meet makes limits for tokens that are new to the group. What has no bound has
// no total either, and calls that are not known may move any token.
func (g *group) meet(f *facts.Facts) {
	met := func(token common.Address) {
		if !slices.Contains(g.met, token) && g.shape.chain != 0 && !g.unsure {
			l := limit.Limit{ID: g.id, Measure: limit.Amount, Window: window, Token: &token, Chain: g.shape.chain}
			if err := l.Prepare(); err == nil {
				g.limits = append(g.limits, l)
			}
			g.met = append(g.met, token)
		}
	}
	for i := range f.Actions {
		a := &f.Actions[i]
		g.unsure = g.unsure || a.Decoding == facts.Other || a.Decoding == facts.Unknown || a.Opaque != ""
		for j := range a.Effects {
			g.unsure = g.unsure || a.Effects[j].Unlimited && a.Effects[j].ID == nil || len(g.met) > maxTokenLimits
			if a.Effects[j].ID != nil {
				g.collects(a.Effects[j].Token)
			}
			met(a.Effects[j].Token)
		}
	}
	if paid := &g.shape.safe; paid.paid && paid.token != (common.Address{}) {
		met(paid.token)
	}
	if g.unsure {
		g.limits = slices.DeleteFunc(g.limits, func(l limit.Limit) bool { return l.Measure == limit.Amount })
	}
}

// collects notes that a token is a collection, whose ids are no amounts.
func (g *group) collects(token common.Address) {
	if !slices.Contains(g.met, token) {
		g.met = append(g.met, token)
	}
	g.limits = slices.DeleteFunc(g.limits, func(l limit.Limit) bool { return l.Measure == limit.Amount && *l.Token == token })
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
