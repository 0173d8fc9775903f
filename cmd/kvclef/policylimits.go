package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holiman/uint256"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store"
)

func (p *program) policyLimitsCommand() *cli.Command {
	return &cli.Command{
		Name:      "limits",
		Usage:     "show what is used of the limits of a policy, and what is free",
		UsageText: "kvclef policy limits FILE [--datadir DIR] [--json]",
		Description: examples(
			"of the signer's state, also while it runs", "kvclef policy limits policy.yaml",
		) + "\n\nUsed is what was approved within the window and may have been signed; held is the part of it that is" +
			"\nunder way, whose outcome was lost, or that was done just now. Room is when the next of it no longer counts." +
			"\nA limit is shown once for each account, recipient and so on that it counts for. It changes nothing.",
		Flags:  slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{jsonFlag()}),
		Action: action(p.policyLimits),
	}
}

// limitUse is what is used of a limit, as it is printed. Amounts are in the unit
// that the policy has for people, and in JSON without one too.
type limitUse struct {
	Limit  string       `json:"limit"`
	Per    string       `json:"per,omitempty"` // whom it counts for; "": all, or nobody yet
	Window string       `json:"window"`
	Used   *uint256.Int `json:"used"`
	Held   *uint256.Int `json:"held"` // of used, what is not settled
	Max    *uint256.Int `json:"max"`
	Free   *uint256.Int `json:"free"`

	Room time.Time `json:"room,omitzero"` // when the next of it no longer counts

	shown [4]string // used, held, max and free for people
}

func (p *program) policyLimits(c *cli.Context) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	file, loaded, err := readPolicy(args[0])
	if err != nil {
		return brokenPolicy(args[0], err)
	}
	state, err := p.lookAtData(c)
	if err != nil {
		return stateError(err)
	}
	uses := usesOf(loaded, policytest.NamesOf(file.source), state.Counters)
	if c.Bool("json") {
		return p.printJSON(uses)
	}
	if len(uses) == 0 {
		return p.printf("%s has no limits\n", printable(args[0]))
	}
	return p.printf("%s", useTable(uses))
}

// useTable writes what is used for people.
func useTable(uses []limitUse) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LIMIT\tUSED\tHELD\tFREE\tOF\tWITHIN\tROOM\tPER")
	for _, use := range uses {
		room := "-"
		if !use.Room.IsZero() {
			room = shownTime(use.Room)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			use.Limit, use.shown[0], use.shown[1], use.shown[3], use.shown[2], use.Window, room, cmp.Or(printable(use.Per), "-"))
	}
	_ = table.Flush() // into memory
	return b.String()
}

// usesOf returns what is used of each limit and budget of a policy.
func usesOf(of *policy.Policy, names policytest.Names, counters []store.Counter) []limitUse {
	uses := []limitUse{}
	for _, l := range of.Limits() {
		found := false
		for _, counter := range counters {
			if per, ok := countsFor(&l, counter.Name); ok {
				found = true
				uses = append(uses, useOf(&l, names, per, counter))
			}
		}
		if !found {
			uses = append(uses, useOf(&l, names, "", store.Counter{}))
		}
	}
	return uses
}

// countsFor reports whether a counter is of a limit, and whom it counts for.
func countsFor(l *limit.Limit, counter string) (per string, ok bool) {
	named := limit.ParseCounter(counter)
	return strings.Join(named.Per, " "), named.Limit == l.ID && named.Measure == l.Measure
}

func useOf(l *limit.Limit, names policytest.Names, per string, counter store.Counter) limitUse {
	free := new(uint256.Int)
	if counter.Used.Lt(&l.Max) {
		free.Sub(&l.Max, &counter.Used)
	}
	use := limitUse{Limit: l.ID, Per: per, Window: shownWindow(l.Window), Used: &counter.Used, Held: &counter.Held, Max: l.Max.Clone(), Free: free, Room: counter.Next}
	for i, amount := range []*uint256.Int{use.Used, use.Held, use.Max, use.Free} {
		use.shown[i] = names.Amount(l, amount)
	}
	return use
}

// shownWindow writes a time span as policies have it.
func shownWindow(span time.Duration) string {
	const day = 24 * time.Hour
	if span > day && span%day == 0 {
		return fmt.Sprintf("%dd", span/day)
	}
	text := span.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}
