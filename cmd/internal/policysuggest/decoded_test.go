package policysuggest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// watched is a policy under test whose decisions are watched.
type watched struct {
	*policytest.Subject

	log      *log
	rejected []policysuggest.Observed // by no rule's limit
}

// Begin notes each decision at the time of the case.
func (w *watched) Begin(ctx context.Context, c *rulestest.Case, stage *rulestest.Stage) (*rulestest.Trial, error) {
	trial, err := w.Subject.Begin(ctx, c, stage)
	if err != nil {
		return nil, err
	}
	trial.Seen = func(req *rules.Request, decision rules.Decision) {
		w.log.now = stage.Clock()
		switch {
		case decision.Verdict == rules.Approve:
			w.log.signed(req)
		case decision.Verdict == rules.Reject && !strings.Contains(decision.Reason, "limit"):
			w.log.add(req, rules.Reject, rules.Unknown)
			w.rejected = append(w.rejected, w.log.all[len(w.log.all)-1])
		}
	}
	return trial, nil
}

// TestDraftsOfTheExamples: from what the example policies approve in their cases,
// as the decoder makes it, a draft is made that approves the same, and nothing that
// they reject.
func TestDraftsOfTheExamples(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("../../../docs/policies/*.yaml")
	if err != nil || len(all) < 14 {
		t.Fatalf("%d files and %v", len(all), err)
	}
	for _, path := range all {
		if strings.HasSuffix(path, policytest.Suffix) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			w := watch(t, path)
			draft := drafted(t, w.log, policysuggest.Options{})
			for _, m := range draft.Others {
				t.Errorf("not covered: %+v", m)
			}
			for _, one := range w.rejected {
				loaded, err := policy.Load(path, draft.Source, policy.Options{Now: one.Time.UTC})
				if err != nil {
					t.Fatal(err)
				}
				decision, _, err := loaded.Evaluate(t.Context(), one.Request)
				if err != nil || decision.Verdict != rules.Reject {
					t.Errorf("entry %d is rejected by the policy, and by the draft: %v, rule %s, %v\n%s", one.Seq, decision.Verdict, decision.Rule, err, draft.Source)
				}
			}
		})
	}
}

// watch runs the cases of a policy.
func watch(t *testing.T, path string) *watched {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := policytest.NewSubject(path, source)
	if err != nil {
		t.Fatal(err)
	}
	suite, err := policytest.ReadFile(policytest.FileOf(path), policytest.NamesOf(source))
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Subject: subject, log: newLog()}
	for _, c := range suite.Cases {
		if _, err := rulestest.Run(t.Context(), w, c.Case, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.log.all) == 0 || len(w.rejected) == 0 {
		t.Fatal("nothing was approved or rejected")
	}
	return w
}
