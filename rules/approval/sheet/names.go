package sheet

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/approval"
)

// MaxAddresses bounds the addresses of a ticket that get names.
const MaxAddresses = 1000

// addressForm is an address in a text, or in a word of 32 bytes.
var addressForm = regexp.MustCompile(`0x[0-9a-fA-F]{40}\b`)

// Addresses returns the addresses that a ticket mentions, each once, at most
// [MaxAddresses]: those that need names.
func Addresses(t *approval.Ticket) []common.Address {
	seen := make(map[common.Address]struct{})
	var found []common.Address
	for _, match := range addressForm.FindAllString(string(t.Content.Subject), -1) {
		address := common.HexToAddress(match)
		if _, again := seen[address]; again {
			continue
		}
		if len(found) == MaxAddresses {
			break
		}
		seen[address] = struct{}{}
		found = append(found, address)
	}
	return found
}

// note says what an address is called, "" if it has no name.
func (w *writer) note(address string) string {
	if !common.IsHexAddress(address) {
		return ""
	}
	var texts, lists []string
	for _, name := range w.options.Names[common.HexToAddress(address).Hex()] {
		switch name.Kind {
		case NameOfToken:
			if id := strconv.FormatUint(name.Chain, 10); w.subject.ChainID == "" || id == w.subject.ChainID {
				texts = append(texts, "the token "+Inert(name.Name))
			} else {
				texts = append(texts, fmt.Sprintf("the token %s of ANOTHER chain, %s", Inert(name.Name), w.chain(id)))
			}
		case NameOfList:
			lists = append(lists, Inert(name.Name))
		case NameOfKey:
			if address := common.HexToAddress(address); address == w.subject.Account {
				texts = append(texts, "the account that signs")
				continue
			}
			texts = append(texts, "the key "+Inert(name.Name))
		case NameOfAccount:
			texts = append(texts, Inert(name.Name))
		}
	}
	if len(lists) > 0 {
		texts = append(texts, "in "+strings.Join(lists, ", "))
	}
	return strings.Join(texts, "; ")
}

// mentioned says what the addresses in a longer value are called.
func (w *writer) mentioned(value string) string {
	var texts []string
	for _, match := range addressForm.FindAllString(value, -1) {
		if note := w.note(match); note != "" && len(texts) < 20 {
			text := common.HexToAddress(match).Hex() + " is " + note
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return strings.Join(texts, ", ")
}

// chain returns a chain by its name and id.
func (w *writer) chain(id string) string {
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil || w.options.ChainName == nil {
		return Inert(id)
	}
	if name := w.options.ChainName(number); name != "" {
		return fmt.Sprintf("%s (%s)", Inert(name), id)
	}
	return id
}
