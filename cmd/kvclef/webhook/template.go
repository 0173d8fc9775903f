package webhook

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// body returns a message in a template. Texts are never read as markup: a caller
// chooses some.
func (n *notice) body(template string) ([]byte, error) {
	var value any = n
	switch template {
	case "slack":
		value = n.slack()
	case "teams":
		value = n.teams()
	}
	body, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	return body, nil
}

// object is a JSON object.
type object map[string]any

// title says what has happened, without a word that a caller chose.
func (n *notice) title() string {
	if n.Event == EventOpened {
		return fmt.Sprintf("Ticket %s waits for approval", n.Ticket)
	}
	return fmt.Sprintf("Ticket %s is %s", n.Ticket, n.State)
}

// fact is a line of a message for people.
type fact struct{ name, text string }

// facts are what people are told, with a link to the rest.
func (n *notice) facts() []fact {
	var facts []fact
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, fact{name, text})
		}
	}
	add("What", n.Kind)
	add("Asked by", n.Principal)
	add("Chain", n.ChainID)
	add("From", strings.TrimSpace(n.Account+" "+n.Key))
	add("To", n.To)
	add("Value", etherOf(n.Value))
	add("Calls", n.Method)
	add("Rule", n.Rule)
	add("Reason", n.Reason)
	add("Must approve", n.Quorum)
	add("Approved by", strings.Join(n.Approved, ", "))
	add("Rejected by", n.Rejected)
	if n.Event == EventOpened {
		add("Until", n.Deadline)
	}
	return facts
}

// etherOf writes wei, decimal, as ether.
func etherOf(wei string) string {
	number, ok := new(big.Int).SetString(wei, 10)
	if !ok {
		return ""
	}
	const digits = 18
	text := number.String()
	if len(text) <= digits {
		text = strings.Repeat("0", digits+1-len(text)) + text
	}
	whole, part := text[:len(text)-digits], strings.TrimRight(text[len(text)-digits:], "0")
	if part != "" {
		whole += "." + part
	}
	return whole + " ether"
}

// slack is a message of Slack: blocks of plain text, in which nothing is markup.
func (n *notice) slack() object {
	plain := func(text string) object { return object{"type": "plain_text", "text": text, "emoji": false} }
	blocks := []object{{"type": "header", "text": plain(n.title())}}
	const most = 10 // fields of a section
	for facts := n.facts(); len(facts) > 0; {
		some := facts[:min(most, len(facts))]
		facts = facts[len(some):]
		var fields []object
		for _, f := range some {
			fields = append(fields, plain(f.name+": "+f.text))
		}
		blocks = append(blocks, object{"type": "section", "fields": fields})
	}
	if n.Link != "" {
		button := object{"type": "button", "text": plain("Open the ticket"), "url": n.Link}
		blocks = append(blocks, object{"type": "actions", "elements": []object{button}})
	}
	return object{"text": n.title(), "blocks": blocks}
}

// teams is a message of Microsoft Teams: an adaptive card of text runs, in which
// nothing is markup.
func (n *notice) teams() object {
	line := func(runs ...object) object { return object{"type": "RichTextBlock", "inlines": runs} }
	body := []object{line(object{"type": "TextRun", "text": n.title(), "weight": "bolder", "size": "medium"})}
	for _, f := range n.facts() {
		body = append(body, line(object{"type": "TextRun", "text": f.name + ": ", "isSubtle": true}, object{"type": "TextRun", "text": f.text}))
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body}
	if n.Link != "" {
		card["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open the ticket", "url": n.Link}}
	}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
}
