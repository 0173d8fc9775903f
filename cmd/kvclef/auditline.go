package main

import (
	"fmt"
	"strings"

	"github.com/kvclef/kvclef/extapi/audit"
)

// auditTime is a time with milliseconds in columns of equal width.
const auditTime = "2006-01-02T15:04:05.000Z07:00"

// auditLine returns an entry on one line for people.
func auditLine(e audit.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-10s", e.Time.UTC().Format(auditTime), shown(string(e.Event)))
	if e.Method != "" {
		account := "-"
		if e.Account != "" {
			account = shortAddress(e.Account)
		}
		fmt.Fprintf(&b, "  %-23s  %-11s  %-8s", shown(e.Method), account, auditResult(e))
	}
	for _, detail := range auditDetails(e) {
		b.WriteString("  ")
		b.WriteString(detail)
	}
	return strings.TrimRight(b.String(), " ")
}

// auditResult is what was decided, or what became of it.
func auditResult(e audit.Entry) string {
	switch {
	case e.Event == audit.EventRefused:
		return "refused"
	case e.Listed != nil:
		return "listed"
	case e.Outcome != "" && e.Released != nil && !*e.Released && e.Outcome == "signed":
		return "signed, withheld"
	case e.Outcome != "":
		return shown(e.Outcome)
	default:
		return shown(e.Verdict)
	}
}

// auditDetails are the members of an entry that apply to it, each named.
func auditDetails(e audit.Entry) []string {
	var details []string
	add := func(name, text string) {
		if text != "" {
			details = append(details, name+" "+quotedText(text))
		}
	}
	add("rule", e.Rule)
	add("chain", e.ChainID)
	add("nonce", e.Nonce)
	add("to", e.To)
	if ether := etherOf(e.Value); ether != "" {
		details = append(details, fmt.Sprintf("value %s ether (%s wei)", ether, e.Value))
	} else {
		add("value", e.Value)
	}
	add("call", e.Call)
	if e.Call == "" {
		add("selector", e.Selector)
	}
	add("type", e.ContentType)
	if e.DataBytes > 0 {
		details = append(details, "data "+counted(e.DataBytes, "byte"))
	}
	if e.Listed != nil {
		details = append(details, counted(*e.Listed, "account"))
	}
	add("ticket", e.Ticket)
	add("is", e.State)
	add("needs", e.Quorum)
	add("approver", e.Approver)
	add("votes", e.Vote)
	add("known by", e.Way)
	add("comment", e.Comment)
	add("passkey", e.Credential)
	add("repeats", e.First)
	add("by", e.Principal)
	if e.Idempotency != nil {
		add("idempotency", e.Idempotency.Key)
	}
	add("reason", e.Reason)
	add("why", e.Explain)
	add("policy", e.Policy)
	add("error", e.Error)
	add("note", e.Note)
	if c := e.Checkpoint; c != nil {
		details = append(details, fmt.Sprintf("entry %d  head %s", c.Seq, shown(c.Head)))
		add("key", c.Key)
	}
	add("id", e.Request)
	return details
}
