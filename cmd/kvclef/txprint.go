package main

import (
	"fmt"
	"math/big"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules/units"
)

// shownListing is what tx list prints.
type shownListing struct {
	*outbox.Listing

	Running bool   `json:"running"`           // whether a signer told it; else it was read from the state
	Service string `json:"service,omitempty"` // "": the signer's own
	Name    string `json:"name,omitempty"`    // of the service, if it was asked for
	Stopped string `json:"stopped,omitempty"` // why the service does not run

	Hosted []hostedUse `json:"hosted,omitempty"` // what others have under way
}

// shownListings are what tx list --all-services prints.
type shownListings []shownListing

// String returns the transactions of all as people read them.
func (all shownListings) String() string {
	var b strings.Builder
	for i := range all {
		switch shown := &all[i]; {
		case i == 0:
			fmt.Fprintln(&b, "the signer's own")
		case shown.Name == "":
			fmt.Fprintf(&b, "\nservice %s\n", shown.Service)
		default:
			fmt.Fprintf(&b, "\nservice %s, %s\n", shown.Service, printable(shown.Name))
		}
		all[i].write(&b)
	}
	if len(all) > 0 && !all[0].Running {
		fmt.Fprintf(&b, "\n%s\n", notRunning)
	}
	return b.String()
}

const notRunning = "no signer is running: this is what its state holds, and nothing is sent again until one runs"

// String returns the transactions as people read them.
func (listing shownListing) String() string {
	var b strings.Builder
	listing.write(&b)
	others := 0
	for _, use := range listing.Hosted {
		others += use.InFlight
	}
	if others > 0 {
		fmt.Fprintf(&b, "hosted services have %d more: see --all-services, or --service ID\n", others)
	}
	if !listing.Running {
		fmt.Fprintln(&b, notRunning)
	}
	return b.String()
}

func (listing shownListing) write(b *strings.Builder) {
	if len(listing.Transactions) == 0 {
		fmt.Fprintln(b, "none")
	} else {
		table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "STATE\tAGE\tCHAIN\tACCOUNT\tNONCE\tTO\tVALUE\tMAX FEE\tHASH")
		for i := range listing.Transactions {
			t := &listing.Transactions[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
				t.State, shownAge(t.Kept), t.Chain, t.Account, t.Nonce, shownTo(t), shownEther(t.Value), shownGwei(t.FeeCap), t.Hash)
		}
		_ = table.Flush() // into memory
	}
	if listing.More {
		fmt.Fprintln(b, "… and more: see --limit")
	}
	for _, lane := range listing.Lanes {
		switch {
		case lane.Missing == nil:
		case lane.InFlight == 0:
			fmt.Fprintf(b, "GAP: account %s on chain %s has nothing with nonce %d, and the node refused nonce %d, which was next: after a few blocks the next transactions have the missing ones\n",
				lane.Account, lane.Chain, *lane.Missing, lane.Next)
		default:
			fmt.Fprintf(b, "GAP: account %s on chain %s has nothing with nonce %d, for which %d under way wait: send a transaction with that nonce\n",
				lane.Account, lane.Chain, *lane.Missing, lane.InFlight)
		}
	}
	if listing.Stopped != "" {
		fmt.Fprintf(b, "nothing of it is sent again for now: %s\n", printable(listing.Stopped))
	}
}

// shownTransaction is what tx show prints.
type shownTransaction struct {
	*outbox.Transaction

	Running bool   `json:"running"`           // whether a signer told it; else it was read from the state
	Service string `json:"service,omitempty"` // "": the signer's own
	Stopped string `json:"stopped,omitempty"` // why the service does not run
}

// String returns the transaction as people read it.
func (shown shownTransaction) String() string {
	t := shown.Transaction
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	if shown.Running {
		line("signer", "running")
	} else {
		line("signer", "not running: this is what its state holds")
	}
	if shown.Service != "" {
		line("service", "%s", printable(shown.Service))
	}
	if shown.Stopped != "" {
		line("stopped", "%s", printable(shown.Stopped))
	}
	line("hash", "%s", t.Hash)
	line("state", "%s since %s", t.State, shownTime(t.Changed))
	if t.Block != nil {
		executed := "executed"
		if t.Block.Failed {
			executed = "executed and reverted"
		}
		line("block", "%d %s, %s", t.Block.Number, t.Block.Hash, executed)
	}
	line("chain", "%s", t.Chain)
	line("account", "%s", t.Account)
	line("nonce", "%d", t.Nonce)
	line("to", "%s", shownTo(t))
	line("value", "%s", shownEther(t.Value))
	line("gas", "%d", t.Gas)
	line("max fee", "%s, tip %s", shownGwei(t.FeeCap), shownGwei(t.TipCap))
	if len(t.Filled) > 0 {
		line("filled in", "%s", strings.Join(t.Filled, ", "))
	}
	if t.Keyed {
		line("key", "it came with an idempotency key")
	}
	line("kept", "%s", shownTime(t.Kept))
	if t.Refusal != nil {
		line("refused", "%s (%d)", printable(t.Refusal.Text), t.Refusal.Code)
	}
	if t.Replaces != nil {
		line("replaces", "%s", t.Replaces)
	}
	if t.ReplacedBy != nil {
		line("replaced by", "%s", t.ReplacedBy)
	}
	if len(t.Raw) > 0 {
		line("raw", "%s", t.Raw)
	}
	return b.String()
}

func shownTo(t *outbox.Transaction) string {
	if t.To == nil {
		return "creation"
	}
	return t.To.Hex()
}

func shownAge(since time.Time) string { return time.Since(since).Round(time.Second).String() }

func shownEther(wei *big.Int) string { return units.Text(wei.String(), units.Ether) + " ether" }

func shownGwei(wei *big.Int) string {
	if wei == nil {
		return "-"
	}
	return units.Text(wei.String(), units.Gwei) + " gwei"
}
