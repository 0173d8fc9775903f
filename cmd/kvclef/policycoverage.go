package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/rules/policy"
)

// gaps are what the cases of a policy have not shown.
type gaps struct {
	rules, decided int // that can decide, and that did
	words, both    int // of them and of budgets, and that were both true and false

	never []string // rules that never decided
	stuck []string // words that were never both
}

func gapsOf(coverage []policy.RuleCoverage) gaps {
	var g gaps
	for _, rule := range coverage {
		if !rule.Budget && !rule.Shadow {
			g.rules++
			if rule.Decided > 0 {
				g.decided++
			} else {
				g.never = append(g.never, fmt.Sprintf("line %d: rule %s never decided", rule.Line, rule.ID))
			}
		}
		for _, word := range rule.Words {
			g.words++
			kind := "rule"
			if rule.Budget {
				kind = "budget"
			}
			missing := "asked"
			switch {
			case word.True > 0 && word.False+word.Unknown > 0:
				g.both++
				continue
			case word.True > 0:
				missing = "false"
			case word.False+word.Unknown > 0:
				missing = "true"
			}
			g.stuck = append(g.stuck, fmt.Sprintf("line %d: %s %s: %s was never %s", word.Line, kind, rule.ID, word.Word, missing))
		}
	}
	return g
}

// reportTested prints the coverage and the summary, or everything in JSON.
func (p *program) reportTested(c *cli.Context, tested []testedPolicy) error {
	cases, failed, never := 0, 0, 0
	var b strings.Builder
	for _, t := range tested {
		for _, one := range t.Cases {
			cases++
			if !one.OK {
				failed++
			}
		}
		g := gapsOf(t.Coverage)
		never += len(g.never)
		fmt.Fprintf(&b, "%s: %d of %s decided, %d of %s were both true and false\n",
			printable(t.File), g.decided, counted(g.rules, "rule"), g.both, counted(g.words, "word"))
		if c.Bool("coverage") || c.Bool("strict") {
			for _, line := range g.never {
				fmt.Fprintf(&b, "      %s\n", printable(line))
			}
		}
		if c.Bool("coverage") {
			for _, line := range g.stuck {
				fmt.Fprintf(&b, "      %s\n", printable(line))
			}
		}
	}
	fmt.Fprintf(&b, "%s, %d failed\n", counted(cases, "case"), failed)
	ok := failed == 0 && (never == 0 || !c.Bool("strict"))
	var err error
	if c.Bool("json") {
		err = p.printJSON(struct {
			OK       bool           `json:"ok"`
			Failed   int            `json:"failed"`
			Policies []testedPolicy `json:"policies"`
		}{ok, failed, tested})
	} else {
		err = p.printf("%s", b.String())
	}
	switch {
	case err != nil || ok:
		return err
	case failed > 0:
		return fmt.Errorf("%d of %s not as expected", failed, counted(cases, "case"))
	default:
		return fmt.Errorf("%s never decided in any case", counted(never, "rule"))
	}
}
