package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/limit"
)

// Bounds of limits.
const (
	maxWindow  = 366 * 24 * time.Hour
	maxLimits  = 32 // of a rule
	maxBudgets = 256
)

// limitKeys are the keys of a limit.
func limitKeys() []string {
	return []string{"id", "measure", "max", "window", "per", "token", "function", "argument"}
}

func measures() []string {
	return []string{
		string(limit.Value), string(limit.GasCost), string(limit.Spend), string(limit.Amount), string(limit.Argument), string(limit.Signatures),
	}
}

func pers() []string {
	return []string{
		string(limit.PerAccount), string(limit.PerRecipient), string(limit.PerPrincipal), string(limit.PerChain), string(limit.PerToken), string(limit.PerArgument),
	}
}

func (p *parser) budgets(to *Policy, node *yaml.Node, ids map[string]int) {
	if node == nil {
		return
	}
	for i, element := range p.elements(node, "budgets", maxBudgets) {
		what := fmt.Sprintf("budgets[%d]", i)
		found := p.fields(element, what, append(limitKeys(), "match")...)
		p.require(element, what, found, "id", "match", "measure", "max", "window")
		var budget Budget
		if node := found["match"]; node != nil {
			budget.Match = p.matching(node, what+": match", false, false)
		}
		budget.Limit = p.limitOf(element, found, what, "", ids)
		to.budget = append(to.budget, budget)
	}
}

// limit reads a limit of a rule.
func (p *parser) limit(node *yaml.Node, what, rule string, ids map[string]int) limit.Limit {
	found := p.fields(node, what, limitKeys()...)
	p.require(node, what, found, "measure", "max", "window")
	return p.limitOf(node, found, what, rule, ids)
}

// limitOf reads the keys of a limit.
func (p *parser) limitOf(node *yaml.Node, found map[string]*yaml.Node, what, rule string, ids map[string]int) limit.Limit {
	var l limit.Limit
	if node := found["measure"]; node != nil {
		measure := p.choice(node, what+": measure", measures()...)
		l.Measure = limit.Measure(measure)
	}
	window := p.window(&l, found["window"], what)
	p.perOf(&l, found["per"], what)
	unit := p.tokenOf(&l, found, what)
	p.argumentOf(&l, node, found, what)
	if node := found["max"]; node != nil && l.Measure != "" {
		l.Shown = p.most(&l, node, what+": max", unit) + " in " + window
	}
	p.limitID(&l, node, found["id"], what, rule, ids)
	p.prepare(&l, node, what)
	return l
}

// prepare tells what else would keep a limit from being measured, unless
// something is missing that was told already.
func (p *parser) prepare(l *limit.Limit, node *yaml.Node, what string) {
	if l.Measure == "" || l.ID == "" || l.Method == "" && argued(l) || l.Argument == "" && argued(l) {
		return
	}
	if err := l.Prepare(); err != nil {
		p.errorf(node, "%s: %s", what, clip(err.Error()))
	}
}

// argued tells whether a limit needs an argument.
func argued(l *limit.Limit) bool {
	return l.Measure == limit.Argument || slices.Contains(l.Per, limit.PerArgument)
}

func (p *parser) window(l *limit.Limit, node *yaml.Node, what string) string {
	if node == nil {
		return ""
	}
	window, _ := p.span(node, what+": window", time.Second, maxWindow)
	l.Window = window.Duration
	return window.text
}

func (p *parser) perOf(l *limit.Limit, node *yaml.Node, what string) {
	if node == nil {
		return
	}
	found, _ := p.choices(node, what+": per", pers()...)
	for _, per := range pers() { // the order in which it is written must not name another total
		if slices.Contains(found, per) {
			l.Per = append(l.Per, limit.Per(per))
		}
	}
}

// tokenOf reads the token of a limit, which its maximum may name too.
func (p *parser) tokenOf(l *limit.Limit, found map[string]*yaml.Node, what string) *token {
	node := found["token"]
	if node == nil {
		return nil
	}
	name, ok := p.text(node, what+": token")
	declared, known := p.scope.tokens[name]
	switch {
	case !ok:
	case !known:
		p.errorf(node, "%s: token: %s is no token of this policy%s", what, quoted(name), didYouMean(name, names(p.scope.tokens)))
	case l.Measure != "" && l.Measure != limit.Amount:
		p.errorf(node, "%s: token is for the measure amount, not for %s", what, l.Measure)
	default:
		l.Token, l.Chain = &declared.address, declared.chain
		return &declared
	}
	return nil
}

// argumentOf reads which argument of which method is counted, or counted by.
func (p *parser) argumentOf(l *limit.Limit, node *yaml.Node, found map[string]*yaml.Node, what string) {
	if !argued(l) {
		for _, key := range []string{"function", "argument"} {
			if node := found[key]; node != nil {
				p.errorf(node, "%s: %s is for the measure argument, or per argument", what, key)
			}
		}
		return
	}
	if !p.require(node, what, found, "function", "argument") {
		return
	}
	signature, ok := p.text(found["function"], what+": function")
	if !ok {
		return
	}
	f, err := p.function(signature)
	if err != nil {
		p.errorf(found["function"], "%s: function: want a method with its types, such as transfer(address to, uint256 amount), not %s", what, quoted(signature))
		return
	}
	l.Method = f.method.Sig
	name, ok := p.text(found["argument"], what+": argument")
	if !ok {
		return
	}
	places, _, err := f.tuple().resolve([]string{name})
	if err != nil {
		p.errorf(found["argument"], "%s: argument: %s", what, err)
		return
	}
	l.Argument = places[0]
}

// most reads the maximum of a limit in the unit of its measure, and returns it
// as it was written.
func (p *parser) most(l *limit.Limit, node *yaml.Node, what string, unit *token) string {
	switch l.Measure {
	case limit.Value, limit.GasCost, limit.Spend:
		a, _ := p.amount(node, what, inWei)
		l.Max = a.value
		return a.text
	case limit.Amount:
		if unit != nil && unit.standard == "erc721" {
			p.errorf(node, "%s: %s is a collection (erc721), of which there are no amounts, and ids would be added up: use the measure signatures", what, unit.name)
			return ""
		}
		if unit == nil && slices.Contains(l.Per, limit.PerToken) {
			l.Tokens = p.declaredTokens()
			break // in the smallest unit of each token
		}
		a, ok := p.amount(node, what, inTokens)
		switch {
		case !ok:
		case a.token.standard == "erc721":
			p.errorf(node, "%s: %s is a collection (erc721), of which there are no amounts, and ids would be added up: use the measure signatures", what, a.token.name)
		case unit != nil && unit.name != a.token.name:
			p.errorf(node, "%s: %s is no amount of %s", what, quoted(a.text), unit.name)
		default:
			l.Token, l.Chain = &a.token.address, a.token.chain
		}
		l.Max = a.value
		return a.text
	}
	n, ok := p.number(node, what)
	if !ok {
		return ""
	}
	value, overflow := uint256.FromBig(n)
	if n.Sign() < 0 || overflow {
		p.errorf(node, "%s: %s is not from 0 to 2^256-1", what, node.Value)
		return ""
	}
	l.Max = *value
	return node.Value
}

// declaredTokens are the tokens of the policy, for limits on every token.
func (p *parser) declaredTokens() []limit.Token {
	all := make([]limit.Token, 0, len(p.scope.tokens))
	for _, name := range names(p.scope.tokens) {
		t := p.scope.tokens[name]
		all = append(all, limit.Token{Chain: t.chain, Address: t.address, Collection: t.standard == "erc721"})
	}
	return all
}

// limitID gives a limit the name of its counters: its own, or that of the rule
// with the measure.
func (p *parser) limitID(l *limit.Limit, node, named *yaml.Node, what, rule string, ids map[string]int) {
	switch l.ID = p.id(named, what); {
	case l.ID != "":
		if line, again := ids[l.ID]; again {
			p.errorf(named, "%s: the id %s is that of the limit on line %d: they would share a total", what, l.ID, line)
		}
	case named == nil && rule != "" && l.Measure != "":
		l.ID = rule + "/" + string(l.Measure)
		for _, per := range l.Per {
			l.ID += "/" + string(per)
		}
		if line, again := ids[l.ID]; again {
			p.errorf(node, "%s: the limit on line %d counts the same: give both an id, by which their totals are kept", what, line)
		}
	}
	if l.ID != "" {
		ids[l.ID] = node.Line
	}
}
