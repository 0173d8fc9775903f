package sheet

import (
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/units"
)

// maxEffectWarnings is how many warnings say what is done: the section has them all.
const maxEffectWarnings = 20

// does says what is done with tokens, and lists the calls that lie within a call.
func (w *writer) does() {
	if w.facts == nil {
		return
	}
	begun, more := false, 0
	for i := range w.facts.Actions {
		a := &w.facts.Actions[i]
		shown, warnings := w.action(a)
		if len(shown) > 0 && !begun {
			begun = true
			w.section("does", "What it does")
		}
		for _, fact := range shown {
			w.add(fact)
		}
		for _, warning := range warnings {
			if more++; more <= maxEffectWarnings {
				w.warn(warning)
			}
		}
	}
	if more -= maxEffectWarnings; more > 0 {
		w.warn("There is more like this: " + counted(more, "warning") + " of what it does are left out here")
	}
}

// action says what one action is and does. The outermost call of a request has a
// section of its own.
func (w *writer) action(a *facts.Action) (shown []Fact, warnings []string) {
	depth, path := a.Depth, a.Path
	switch {
	case path == "" && w.facts.Kind == facts.KindTypedData:
		path = "message"
	case path == "":
		path = "call"
	}
	path = Inert(path)
	within := a.Depth > 0
	unseen := within || w.subject.Call == nil && a.Call != nil // by the section of the call
	if unseen || a.Delegate {
		shown = append(shown, w.actionHead(a, path)...)
		depth++
	}
	if unseen {
		shown = append(shown, w.actionData(a, depth)...)
		if within && a.Opaque == "" && (a.Decoding == facts.Other || a.Decoding == facts.Unknown) {
			warnings = append(warnings, "The call data of "+path+" was not decoded: what the contract does with it is not known")
		}
	}
	if s := w.subject; !within && s.Transaction == nil && s.Call == nil && len(a.Data) > 0 && a.Decoding != facts.Known {
		warnings = append(warnings, "The call data of the Safe's call was not decoded: what the contract does with it is not known")
	}
	for i := range a.Effects {
		facts, warning := w.effect(&a.Effects[i], depth)
		shown = append(shown, facts...)
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if a.Opaque != "" {
		shown = append(shown, Fact{Depth: depth, Name: "not known", Text: Inert(a.Opaque), Warns: true})
		warnings = append(warnings, "Not all is known of "+path+": "+Inert(a.Opaque))
	}
	return shown, warnings
}

// actionHead says who calls what.
func (w *writer) actionHead(a *facts.Action, path string) []Fact {
	head := Fact{Depth: a.Depth, Name: path, Warns: a.Delegate}
	switch {
	case a.Delegate:
		head.Note = "a DELEGATE CALL: the code of the contract runs with the powers of who calls"
	case a.Forwarded:
		head.Note = "passed on for who has signed it"
	}
	switch {
	case a.Call != nil:
		head.Text = Inert(a.Call.Method)
	case len(a.Data) == 0:
		head.Text = "no data"
	case len(a.Data) >= 4:
		head.Text = "the method " + hexutil.Encode(a.Data[:4]) + ", which is not known"
	default:
		head.Text = counted(len(a.Data), "byte")
	}
	shown := []Fact{head}
	if a.To != nil {
		shown = append(shown, w.party(a.Depth+1, "to", *a.To))
	}
	if a.From != w.subject.Account && a.From != (common.Address{}) {
		shown = append(shown, w.party(a.Depth+1, "from", a.From))
	}
	if !a.Value.IsZero() {
		shown = append(shown, Fact{Depth: a.Depth + 1, Name: "value", Text: ether(a.Value.Dec())})
	}
	return shown
}

// party is a fact about an address.
func (w *writer) party(depth int, name string, address common.Address) Fact {
	return Fact{Depth: depth, Name: name, Text: address.Hex(), Note: w.note(address.Hex())}
}

// actionData shows the arguments of a call, or the data that was not decoded.
func (w *writer) actionData(a *facts.Action, depth int) []Fact {
	if a.Call == nil {
		if len(a.Data) == 0 {
			return nil
		}
		fact := Fact{Depth: depth, Name: "data", Note: counted(len(a.Data), "byte"), Warns: true}
		fact.Text, fact.Cut = w.cut(hexutil.Encode(a.Data))
		return []Fact{fact}
	}
	shown := make([]Fact, len(a.Call.Arguments))
	for i, argument := range a.Call.Arguments {
		text := approval.ArgumentText(a.Call.Types[i], argument)
		shown[i] = Fact{Depth: depth, Name: strconv.Itoa(i), Type: Inert(a.Call.Types[i]), Note: w.mentioned(text)}
		shown[i].Text, shown[i].Cut = w.cut(Inert(text))
	}
	return shown
}

// effect says what becomes of tokens, and what to warn of.
func (w *writer) effect(e *facts.Effect, depth int) (shown []Fact, warning string) {
	token, recipient := e.Token.Hex(), e.Recipient.Hex()
	head, taker := Fact{Depth: depth, Name: "hands over", Text: w.tokens(e)}, "spender"
	switch {
	case e.Kind == facts.ApproveAll && !e.Unlimited:
		head.Name, head.Text, taker = "takes back", "every token of the collection", "from"
	case e.Kind == facts.ApproveAll:
		head.Text, warning = "EVERY token of the collection", "It lets "+recipient+" take every token of the collection "+token
	case e.Kind == facts.Transfer:
		head.Name, taker = "moves", "to"
		if e.Unlimited {
			warning = "It moves an amount of the token " + token + " that has no bound, to " + recipient
		}
	case e.Unlimited:
		warning = "It lets " + recipient + " take the token " + token + " without a bound"
	}
	head.Warns = warning != ""
	if !head.Warns && e.ID == nil {
		head.Note = w.tokenNote(e.Token, e.Amount.Dec())
	}
	return []Fact{head, w.party(depth+1, "token", e.Token), w.party(depth+1, "of", e.Owner), w.party(depth+1, taker, e.Recipient)}, warning
}

// tokens says how much of a token, or which one.
func (w *writer) tokens(e *facts.Effect) string {
	switch {
	case e.Single:
		return "the one with the id " + e.Amount.Dec()
	case e.Unlimited && e.ID != nil:
		return "ANY AMOUNT (" + e.Amount.Dec() + ") with the id " + e.ID.Dec()
	case e.Unlimited:
		return "ANY AMOUNT (" + e.Amount.Dec() + ")"
	case e.ID != nil:
		return e.Amount.Dec() + " with the id " + e.ID.Dec()
	default:
		return e.Amount.Dec()
	}
}

// tokenNote says what an amount of a token comes to, "" where the policy does not know
// its decimals.
func (w *writer) tokenNote(token common.Address, digits string) string {
	for _, name := range w.options.Names[token.Hex()] {
		if name.Kind == NameOfToken && name.Standard == "erc20" && strconv.FormatUint(name.Chain, 10) == w.subject.ChainID {
			return fmt.Sprintf("%s %s", units.Text(digits, name.Decimals), Inert(name.Name))
		}
	}
	return ""
}
