package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/internal/policyreplay"
	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// replayed is what a replay found, as it is printed.
type replayed struct {
	Log       string `json:"log"`
	Candidate string `json:"candidate"`
	Current   string `json:"current,omitempty"` // "": what the log says
	*policyreplay.Report
	Refused int      `json:"refused"` // before they were judged
	Unread  []unread `json:"unread"`

	names policytest.Names
}

// unread are requests that can't be judged, for one reason.
type unread struct {
	Reason string `json:"reason"`
	requestlog.Unread
}

// unreadOf returns what could not be judged, the most frequent first.
func unreadOf(summary requestlog.Summary) []unread {
	all := []unread{}
	for _, reason := range slices.Sorted(maps.Keys(summary.Unread)) {
		all = append(all, unread{reason, summary.Unread[reason]})
	}
	slices.SortStableFunc(all, func(a, b unread) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

// unread is how many requests could not be judged.
func (r *replayed) unread() int {
	total := 0
	for _, of := range r.Unread {
		total += of.Count
	}
	return total
}

// String tells it to people.
func (r *replayed) String() string {
	var b strings.Builder
	than := "what the log says"
	if r.Current != "" {
		than = r.Current
	}
	fmt.Fprintf(&b, "%s of %s, by %s compared with %s\n", counted(r.Requests, "request"), printable(r.Log), printable(r.Candidate), printable(than))
	if r.Requests > 0 {
		fmt.Fprintf(&b, "from %s to %s\n", shownTime(r.First), shownTime(r.Last))
	}
	fmt.Fprintf(&b, "%d decided alike", r.Alike)
	if r.OtherRule > 0 {
		fmt.Fprintf(&b, ", %d of them by another rule", r.OtherRule)
	}
	fmt.Fprintf(&b, "; %d otherwise\n", r.Changed)
	if r.Withheld > 0 {
		fmt.Fprintf(&b, "%s would be withheld, since OnApprovedTx of a rule file fails\n", counted(r.Withheld, "signature"))
	}
	for i := range r.Changes {
		b.WriteString("\n" + changeText(&r.Changes[i]))
	}
	if len(r.Limits) > 0 {
		b.WriteString("\n" + r.limitTable())
	}
	if len(r.Unread) > 0 {
		fmt.Fprintf(&b, "\n%s can't be judged:\n", counted(r.unread(), "request"))
		for _, of := range r.Unread {
			fmt.Fprintf(&b, "  %d: %s, the first is entry %d\n", of.Count, of.Reason, of.First)
		}
	}
	if r.Refused > 0 {
		fmt.Fprintf(&b, "\n%s refused before anything judged it\n", counted(r.Refused, "request"))
	}
	return b.String()
}

// changeText tells a change, and the examples of it.
func changeText(change *policyreplay.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s → %s: %s\n", decisionText(change.From), decisionText(change.To), counted(change.Count, "request"))
	for i := range change.Examples {
		example := &change.Examples[i]
		fmt.Fprintf(&b, "  entry %d  %s  %s\n", example.Seq, shownTime(example.Time), example.Asked)
		if reason := cmp.Or(example.To.Reason, example.From.Reason); reason != "" && (i == 0 || reason != cmp.Or(change.To.Reason, change.From.Reason)) {
			fmt.Fprintf(&b, "    %s\n", printable(reason))
		}
	}
	if more := change.Count - len(change.Examples); more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	return b.String()
}

// decisionText tells a verdict and whose it is.
func decisionText(d policyreplay.Decision) string {
	text := d.Verdict
	if d.Rule != "" {
		text += " by " + printable(d.Rule)
	}
	if d.Limit != "" {
		text += ", over " + printable(d.Limit)
	}
	return text
}

// requestText tells in a line what was asked.
func requestText(req *rules.Request) string {
	f := facts.Of(req, time.Time{})
	words := []string{strings.ReplaceAll(f.Kind, "_", " ")}
	if req.Kind.Signs() {
		words = append(words, "from "+shortAddress(req.Account.Address.Hex()))
	}
	if tx := req.Transaction; tx != nil {
		if to := tx.To(); to != nil {
			words = append(words, "to "+shortAddress(to.Hex()))
		} else {
			words = append(words, "creating a contract")
		}
		if tx.Value().Sign() > 0 {
			words = append(words, "of "+cmp.Or(etherOf(tx.Value().String()), "0")+" ether")
		}
		words = append(words, fmt.Sprintf("nonce %d", tx.Nonce()))
	}
	if len(f.Actions) > 0 && f.Actions[0].Name != "" {
		words = append(words, "calling "+f.Actions[0].Name)
	}
	if f.Typed != nil {
		words = append(words, printable(f.Typed.PrimaryType))
	}
	if req.ChainID != nil {
		words = append(words, "on chain "+req.ChainID.String())
	}
	return strings.Join(append(words, "by "+printable(cmp.Or(req.Principal, "nobody"))), " ")
}

// limitTable shows how the limits of the candidate stood.
func (r *replayed) limitTable() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LIMIT\tHIGHEST\tOF\tWITHIN\tAT\tENTRY\tEXCEEDED\tPER")
	for i := range r.Limits {
		use := &r.Limits[i]
		at, entry := "-", "-"
		if use.Seq > 0 {
			at, entry = shownTime(use.Time), fmt.Sprint(use.Seq)
		}
		fmt.Fprintf(table, "%s\t%s (%s)\t%s\t%s\t%s\t%s\t%d\t%s\n", use.Limit, r.names.Amount(&use.Of, &use.Used), percent(&use.Used, use.Max),
			r.names.Amount(&use.Of, use.Max), use.Window, at, entry, use.Exceeded, cmp.Or(printable(use.Per), "-"))
	}
	_ = table.Flush() // into memory
	return b.String()
}

// percent is a part of a whole, rounded down.
func percent(part, whole *uint256.Int) string {
	if whole.IsZero() {
		return "-"
	}
	hundred := new(big.Int).Mul(part.ToBig(), big.NewInt(100))
	return hundred.Quo(hundred, whole.ToBig()).String() + "%"
}
