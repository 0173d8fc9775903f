package sheet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/units"
)

// info is the type of a finding that warns of nothing: that a call was decoded.
const info = "Info"

// findings warn of what validation found.
func (w *writer) findings() {
	for _, finding := range w.subject.Findings {
		if finding.Type != info {
			w.warn(Inert(finding.Type) + ": " + Inert(finding.Text))
		}
	}
}

// what says what is asked for.
func (w *writer) what() {
	s := w.subject
	w.section("what", "What is asked for")
	w.line("kind", kindText(s))
	if s.ChainID != "" {
		w.line("chain", w.chain(s.ChainID))
	}
	if s.Account != (common.Address{}) {
		w.add(Fact{Name: "from", Text: s.Account.Hex(), Note: w.signer()})
	}
	if tx := s.Transaction; tx != nil {
		w.transaction(tx)
	}
	for _, account := range s.Accounts {
		w.address("account", account, "")
	}
}

func kindText(s *approval.Subject) string {
	switch {
	case s.Transaction != nil && s.Transaction.To == nil:
		return "transaction that makes a contract"
	case s.Transaction != nil && s.Call == nil && len(s.Transaction.Data)+len(s.Transaction.Authorizations)+len(s.Transaction.Blobs) == 0:
		return "transaction, a plain transfer"
	case s.Kind == "list":
		return "a list of the accounts"
	case s.Kind == "new account":
		return "a new key"
	case s.Kind == "text":
		return "a personal message"
	default:
		return Inert(s.Kind)
	}
}

// signer says which key signs, and what else its account is called.
func (w *writer) signer() string {
	s := w.subject
	if s.Key == "" {
		return "no vault holds it"
	}
	text := fmt.Sprintf("key %s of vault %s, version %s", Inert(s.Key), Inert(s.Vault), Inert(s.Version))
	for _, name := range w.options.Names[s.Account.Hex()] {
		if name.Kind == NameOfAccount {
			text += "; " + Inert(name.Name)
		}
	}
	return text
}

func (w *writer) transaction(tx *approval.Transaction) {
	if tx.To == nil {
		w.add(Fact{Name: "to", Text: "nobody: it makes a contract", Warns: true})
	} else {
		w.address("to", *tx.To, "")
	}
	w.line("value", ether(tx.Value))
	w.line("fees at most", ether(tx.MaxFee))
	w.line("nonce", tx.Nonce)
	switch {
	case tx.GasPrice != "":
		w.line("gas", fmt.Sprintf("%s, for %s each", tx.Gas, gwei(tx.GasPrice)))
	default:
		w.line("gas", fmt.Sprintf("%s, for %s each at most, with a tip of %s", tx.Gas, gwei(tx.FeeCap), gwei(tx.TipCap)))
	}
	if len(tx.Blobs) > 0 {
		w.line("blobs", fmt.Sprintf("%d, for %s each unit of gas at most", len(tx.Blobs), gwei(tx.BlobFeeCap)))
		for _, blob := range tx.Blobs {
			w.add(Fact{Depth: 1, Name: "blob", Text: blob.Hex()})
		}
	}
	w.line("type", strconv.Itoa(int(tx.Type)))
	w.line("filled in", strings.Join(inertAll(w.subject.Filled), ", "))
	if len(tx.Data) > 0 && w.subject.Call == nil {
		w.data("data", tx.Data)
	}
}

// call shows decoded call data, or says that it was not.
func (w *writer) call() {
	s := w.subject
	if s.Call == nil {
		if tx := s.Transaction; tx != nil && tx.To != nil && len(tx.Data) > 0 && !w.understood() {
			w.warn("The call data was not decoded: what the contract does with it is not known")
		}
		return
	}
	title := "What is called"
	if s.Transaction == nil {
		title = "What the Safe calls"
	}
	w.section("call", title)
	w.others("method", s.Call.Method)
	for i, argument := range s.Call.Arguments {
		w.argument(i, argument)
	}
	if s.Transaction != nil {
		w.data("data", s.Transaction.Data)
	}
}

// argument shows one of a call.
func (w *writer) argument(i int, argument approval.Argument) {
	fact := Fact{Depth: 1, Name: strconv.Itoa(i), Type: Inert(argument.Type)}
	fact.Text, fact.Cut = w.cut(Inert(argument.Value))
	switch {
	case argument.Type == "address":
		fact.Note = w.note(argument.Value)
	case isNumber(argument.Type):
		w.number(&fact, fmt.Sprintf("Argument %d of %s", i, Inert(w.subject.Call.Method)), argument.Value)
	}
	if strings.Contains(argument.Type, "[") || strings.HasPrefix(argument.Type, "(") {
		fact.Note = w.mentioned(argument.Value)
	}
	w.hidden(i, argument, &fact)
	w.add(fact)
}

// number marks a number without a bound, or says what it comes to.
func (w *writer) number(fact *Fact, about, digits string) {
	large, warns := w.unbounded(digits)
	if warns {
		w.warn(about + " has no bound")
	}
	if large {
		fact.Note, fact.Warns = noBound, true
	} else {
		fact.Note = w.amount(digits)
	}
}

// amount says what a number comes to, where it is an amount of a token whose
// decimals the policy knows.
func (w *writer) amount(digits string) string {
	if w.subject.Transaction == nil || w.subject.Transaction.To == nil || w.subject.Call == nil || !movesTokens(w.subject.Call.Method) {
		return ""
	}
	return w.tokenNote(*w.subject.Transaction.To, digits)
}

// movesTokens reports whether the last argument of a method is an amount of the
// token that is called.
func movesTokens(method string) bool {
	switch method {
	case "transfer(address,uint256)", "transferFrom(address,address,uint256)", "approve(address,uint256)",
		"increaseAllowance(address,uint256)", "decreaseAllowance(address,uint256)":
		return true
	default:
		return false
	}
}

// data shows bytes.
func (w *writer) data(name string, data []byte) {
	fact := Fact{Name: name, Note: counted(len(data), "byte")}
	fact.Text, fact.Cut = w.cut(hexutil.Encode(data))
	w.add(fact)
}

// authorizations show who lets whose code act for it.
func (w *writer) authorizations() {
	if w.subject.Transaction == nil || len(w.subject.Transaction.Authorizations) == 0 {
		return
	}
	w.section("authorizations", "Accounts that get code (EIP-7702)")
	for _, a := range w.subject.Transaction.Authorizations {
		w.authorization(a)
	}
	w.warn(counted(len(w.subject.Transaction.Authorizations), "account") + " would run the code of another, which may do everything with them")
}

func (w *writer) authorization(a approval.Authorization) {
	if a.Authority == nil {
		w.add(Fact{Name: "account", Text: "none: the signature is of nobody", Warns: true})
	} else {
		w.address("account", *a.Authority, "")
	}
	if a.Code == (common.Address{}) {
		w.add(Fact{Depth: 1, Name: "code", Text: "none: what it had is taken away"})
	} else {
		w.add(Fact{Depth: 1, Name: "code", Text: a.Code.Hex(), Note: w.note(a.Code.Hex()), Warns: true})
	}
	if a.ChainID == "0" {
		w.add(Fact{Depth: 1, Name: "chain", Text: "ANY", Warns: true})
	} else {
		w.add(Fact{Depth: 1, Name: "chain", Text: w.chain(a.ChainID)})
	}
	w.add(Fact{Depth: 1, Name: "nonce", Text: Inert(a.Nonce)})
}

// accessList shows what is paid for in advance.
func (w *writer) accessList() {
	if w.subject.Transaction == nil || len(w.subject.Transaction.AccessList) == 0 {
		return
	}
	w.section("access-list", "Access list")
	for _, tuple := range w.subject.Transaction.AccessList {
		w.address("address", tuple.Address, counted(len(tuple.StorageKeys), "slot"))
	}
}

// payload shows the block of a sequencer.
func (w *writer) payload() {
	if p := w.subject.Payload; p != nil {
		w.section("payload", "Block of a sequencer")
		w.line("hash", p.Hash.Hex())
		w.line("domain", p.Domain.String())
	}
}

// message shows data that is no typed data and no transaction.
func (w *writer) message() {
	s := w.subject
	if s.TypedData != nil || s.Transaction != nil || len(s.Messages) == 0 && len(s.Preimage) == 0 {
		return
	}
	w.section("message", "Message")
	w.others("content type", s.ContentType)
	for _, m := range s.Messages {
		fact := Fact{Name: Inert(m.Name), Type: Inert(m.Type)}
		fact.Text, fact.Cut = w.cut(InertLines(m.Value))
		w.add(fact)
	}
	if len(s.Preimage) > 0 {
		w.data("bytes", s.Preimage)
	}
}

// address adds a fact about an address, with what it is called.
func (w *writer) address(name string, address common.Address, note string) {
	notes := note
	if known := w.note(address.Hex()); known != "" && note == "" {
		notes = known
	} else if known != "" {
		notes = note + "; " + known
	}
	w.add(Fact{Name: name, Text: address.Hex(), Note: notes})
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func inertAll(texts []string) []string {
	inert := make([]string, len(texts))
	for i, text := range texts {
		inert[i] = Inert(text)
	}
	return inert
}

// ether returns an amount of wei in both.
func ether(wei string) string {
	if wei == "0" {
		return "0"
	}
	return fmt.Sprintf("%s ether (%s wei)", units.Text(wei, units.Ether), wei)
}

func gwei(wei string) string { return units.Text(wei, units.Gwei) + " gwei" }
