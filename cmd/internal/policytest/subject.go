package policytest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// Subject is a policy under test, with the rule files that it hands over to.
type Subject struct {
	name    string
	source  []byte
	scripts map[string]rulestest.Ruleset

	policy   *policy.Policy
	coverage *policy.Coverage
}

// NewSubject loads a policy. The rule files that its rules hand over to are read
// from where they stand, seen from the policy.
func NewSubject(path string, source []byte) (*Subject, error) {
	loaded, err := policy.Load(path, source, policy.Options{})
	if err != nil {
		return nil, err
	}
	s := &Subject{name: path, source: source, scripts: make(map[string]rulestest.Ruleset), policy: loaded, coverage: loaded.NewCoverage()}
	for name, rule := range loaded.Scripts() {
		file := ScriptPath(path, name)
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("rule %s of %s hands over to %s: %w", rule, path, name, err)
		}
		s.scripts[name] = rulestest.Ruleset{Name: filepath.Base(file), Source: source}
	}
	return s, nil
}

// ScriptPath is where a rule file stands that a policy names.
func ScriptPath(policy, script string) string {
	if filepath.IsAbs(script) {
		return script
	}
	return filepath.Join(filepath.Dir(policy), script)
}

// Coverage returns what the cases so far have shown of the policy.
func (s *Subject) Coverage() []policy.RuleCoverage { return s.coverage.Rules() }

// Policy returns the policy.
func (s *Subject) Policy() *policy.Policy { return s.policy }

// Begin loads the policy with the clock of the case, and nothing counted yet.
func (s *Subject) Begin(ctx context.Context, c *rulestest.Case, stage *rulestest.Stage) (*rulestest.Trial, error) {
	loaded, err := policy.Load(s.name, s.source, policy.Options{Now: stage.Clock})
	if err != nil {
		return nil, err
	}
	trial := &rulestest.Trial{
		Policy: true, Signatures: loaded.Signatures,
		Seen:  func(req *rules.Request, decision rules.Decision) { s.coverage.Add(req, stage.Clock(), decision) },
		Close: func() {},
	}
	scripts := make(map[string]rules.Rule)
	for name, ruleset := range s.scripts {
		if trial.Storage == nil {
			if trial.Storage, err = rulestest.Prepared(ctx, c.Storage); err != nil {
				return nil, err
			}
		}
		started, err := ruleset.Start(ctx, trial.Storage, stage)
		if err != nil {
			trial.Close()
			return nil, err
		}
		scripts[name] = started
		closeOthers := trial.Close
		trial.Close = func() { started.Close(); closeOthers() }
	}
	with, err := loaded.WithScripts(scripts)
	if err != nil {
		trial.Close()
		return nil, err
	}
	trial.Engine = rules.Engine{Rules: []rules.Rule{with}, Ledger: memory.NewLedger(stage.Clock)}
	return trial, nil
}
