package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holiman/uint256"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store"
)

func (p *program) policyExplainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say rule by rule why a request is approved or not",
		UsageText: "kvclef policy explain FILE --request REQUEST [flags]",
		Description: examples(
			"a request as it goes over the wire", "kvclef policy explain policy.yaml --request request.json",
			"with what is left of the limits", "kvclef policy explain policy.yaml --request request.json --datadir ~/.kvclef",
			"asked by a service, on a Sunday", "kvclef policy explain policy.yaml --request request.json --principal payouts --time 2026-01-04T12:00:00Z",
		) + "\n\nREQUEST is a JSON-RPC request, or a case of kvclef policy test, in JSON or YAML. Each rule is told, with" +
			"\nthe first word that fails: what it wants and what it got. Limits are shown with what the request counts" +
			"\nagainst them, and what has no room is rejected, or referred: without --datadir that is what is too much by itself" +
			"\nalone. The exit code is 0 whatever is decided, 1 if the request never reaches the policy.",
		Flags: slices.Concat(generalFlags(), dataFlags("none, limits are shown without what is used of them"), []cli.Flag{
			&cli.StringFlag{Name: "request", Usage: "`FILE` with the request, - for the standard input"},
			&cli.StringFlag{Name: "principal", Usage: "`NAME` of who asks", DefaultText: "as the listener says it"},
			&cli.StringFlag{Name: "listener", Usage: "`LISTENER` that it comes by: ipc or http", DefaultText: "ipc"},
			&cli.StringFlag{Name: "time", Usage: "`TIME` of the decision, such as 2026-01-31T23:59:00Z", DefaultText: "now"},
			&cli.StringSliceFlag{Name: "chainid", Usage: "chain `ID` of the signer", DefaultText: "the one that the request names, else 1"},
			&cli.BoolFlag{Name: "advanced", Usage: "as a signer that signs what validation warns of", DisableDefaultText: true},
			&cli.StringFlag{Name: "4bytedb-custom", Usage: "JSON `FILE` of additional method selectors"},
			jsonFlag(),
		}),
		Action: action(p.policyExplain),
	}
}

func (p *program) policyExplain(c *cli.Context) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	file, loaded, err := readPolicy(args[0])
	if err != nil {
		return brokenPolicy(args[0], err)
	}
	asked, err := p.explainCase(c, policytest.NamesOf(file.source))
	if err != nil {
		return err
	}
	fourByteFile := c.String("4bytedb-custom")
	if _, err := extapi.NewValidator(fourByteFile); err != nil {
		return &usageError{err}
	}
	explainer := &explainer{policy: loaded}
	results, err := rulestest.Run(c.Context, explainer, asked, fourByteFile)
	if err != nil {
		return err
	}
	if len(explainer.explanations) < len(results) {
		for _, result := range results {
			if result.Verdict == rulestest.Refused || result.Verdict == rulestest.Unasked {
				return fmt.Errorf("the request does not reach the policy: %s", printable(joinedNote(result.Reason, result.Note)))
			}
		}
	}
	explained, err := p.withStandings(c, explainer.explanations, loaded, policytest.NamesOf(file.source))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		if len(explained) == 1 {
			return p.printJSON(explained[0])
		}
		return p.printJSON(explained)
	}
	for _, one := range explained {
		if err := p.printf("%s", one); err != nil {
			return err
		}
	}
	return nil
}

// joinedNote puts what else is to be known behind a reason.
func joinedNote(reason, note string) string {
	if note == "" {
		return reason
	}
	return strings.TrimRight(reason, ". ") + "; " + note
}

// explained is an explanation with how the limits stand that it counts for.
type explained struct {
	policy.Explanation

	Standings []limitUse `json:"standings,omitempty"`
}

// String returns both for people.
func (e explained) String() string {
	if len(e.Standings) == 0 {
		return e.Explanation.String()
	}
	return e.Explanation.String() + "\n" + useTable(e.Standings)
}

// withStandings adds how the limits stand in the data directory, if one is named.
func (p *program) withStandings(c *cli.Context, explanations []policy.Explanation, of *policy.Policy, names policytest.Names) ([]explained, error) {
	all := make([]explained, len(explanations))
	for i := range explanations {
		all[i].Explanation = explanations[i]
	}
	if !c.IsSet("datadir") {
		return all, nil
	}
	state, err := p.lookAtData(c)
	if err != nil {
		return nil, stateError(err)
	}
	counters := make(map[string]store.Counter)
	for _, counter := range state.Counters {
		counters[counter.Name] = counter
	}
	for i := range all {
		all[i].Explanation = all[i].Reckon(func(counter string) uint256.Int { return counters[counter].Used })
		for _, counts := range all[i].Limits {
			for _, l := range of.Limits() {
				if per, ok := countsFor(&l, counts.Counter); ok {
					all[i].Standings = append(all[i].Standings, useOf(&l, names, per, counters[counts.Counter]))
				}
			}
		}
	}
	return all, nil
}

// explainer explains what it is asked, and approves nothing.
type explainer struct {
	policy       *policy.Policy
	stage        *rulestest.Stage
	explanations []policy.Explanation
}

// Begin takes the clock.
func (e *explainer) Begin(_ context.Context, _ *rulestest.Case, stage *rulestest.Stage) (*rulestest.Trial, error) {
	e.stage = stage
	return &rulestest.Trial{Policy: true, Signatures: e.policy.Signatures, Engine: rules.Engine{Rules: []rules.Rule{e}}}, nil
}

// Evaluate explains.
func (e *explainer) Evaluate(_ context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	e.explanations = append(e.explanations, e.policy.Explain(req, e.stage.Clock()))
	return rules.Decision{Verdict: rules.Reject}, nil, nil
}

// explainCase reads the request, with what the flags say of it.
func (p *program) explainCase(c *cli.Context, names policytest.Names) (*rulestest.Case, error) {
	path := c.String("request")
	var asked *rulestest.Case
	var err error
	switch {
	case path == "":
		return nil, usagef("policy explain: no request: give --request FILE, or - for the standard input")
	case path == "-":
		asked, err = rulestest.Read("standard input", p.stdin)
	case config.IsPolicy(path):
		asked, err = policytest.ReadCase(filepath.Clean(path), names)
	default:
		asked, err = rulestest.ReadFile(path)
	}
	if err != nil {
		return nil, &usageError{err}
	}
	chains, err := chainIDs(c.StringSlice("chainid"))
	if err != nil {
		return nil, err
	}
	if len(asked.ChainIDs) == 0 {
		asked.ChainIDs = chains
	}
	asked.Advanced = asked.Advanced || c.Bool("advanced")
	for i := range asked.Steps {
		if err := setStep(c, &asked.Steps[i]); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// setStep puts what the flags say into a step.
func setStep(c *cli.Context, step *rulestest.Step) error {
	if c.IsSet("principal") {
		step.Principal = c.String("principal")
	}
	if c.IsSet("time") {
		at, err := time.Parse(time.RFC3339, c.String("time"))
		if err != nil {
			return usagef("--time: %q is no time such as 2026-01-31T23:59:00Z", c.String("time"))
		}
		step.Time = at
	}
	switch c.String("listener") {
	case "":
	case "ipc":
		step.Caller = rulestest.Local()
	case "http":
		step.Caller = rulestest.Remote()
	default:
		return usagef("--listener: %q is neither ipc nor http", c.String("listener"))
	}
	return nil
}
