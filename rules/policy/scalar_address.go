package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"
)

// addresses is a set of addresses with the words it was written in.
type addresses struct {
	set   map[common.Address]bool
	words map[string]bool // such as "self", where the key allows them
	text  string
}

// has tells whether an address is in the set.
func (a *addresses) has(address common.Address) bool { return a.set[address] }

// all returns the addresses in order.
func (a *addresses) all() []common.Address {
	return slices.SortedFunc(mapKeys(a.set), func(x, y common.Address) int { return x.Cmp(y) })
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// address returns one address: 0x and 40 digits, with its checksum where it has
// capitals.
func (p *parser) address(node *yaml.Node, what string) (common.Address, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return common.Address{}, false
	}
	address := common.HexToAddress(text)
	switch {
	case !strings.HasPrefix(text, "0x") || !common.IsHexAddress(text):
		p.errorf(node, "%s: want an address, 0x and 40 hexadecimal digits, not %s", what, quoted(text))
	case text != strings.ToLower(text) && text != address.Hex():
		p.errorf(node, "%s: the checksum of %s is wrong: by its letters it would be %s; find out which digit is mistyped", what, quoted(text), address.Hex())
	default:
		return address, true
	}
	return common.Address{}, false
}

// addresses returns a set of addresses: names of accounts and lists, addresses,
// and the words that are allowed here. The set is never nil.
func (p *parser) addresses(node *yaml.Node, what string, words ...string) (*addresses, bool) {
	if list, ok := p.scope.lists[node.Value]; ok && node.Kind == yaml.ScalarNode {
		return p.listed(node, what, list)
	}
	found := &addresses{set: make(map[common.Address]bool), words: make(map[string]bool)}
	elements := p.list(node, what)
	ok := len(elements) > 0
	var texts []string
	for _, element := range elements {
		if p.full() {
			return found, false
		}
		if !p.addTo(found, element, what, words) {
			ok = false
		}
		texts = append(texts, element.Value)
	}
	found.text = strings.Join(texts, ", ")
	return found, ok
}

// listed returns the set of a list, which all that name it share.
func (p *parser) listed(node *yaml.Node, what string, list []common.Address) (*addresses, bool) {
	found := p.scope.sets[node.Value]
	if found == nil {
		found = &addresses{set: make(map[common.Address]bool, len(list)), text: node.Value}
		for _, address := range list {
			found.set[address] = true
		}
		p.scope.sets[node.Value] = found
	}
	return found, p.mean(node, what, len(found.set))
}

// mean counts what the sets of a policy have in all: lists make it far more than
// the file.
func (p *parser) mean(node *yaml.Node, what string, n int) bool {
	before := p.meant
	if p.meant += n; before <= maxMeant && p.meant > maxMeant {
		p.errorf(node, "%s: from here on there are more than %d addresses, with those of each list wherever it is named: share rules, or shorten lists", what, maxMeant)
	}
	return p.meant <= maxMeant
}

// addTo adds what one element of a set means.
func (p *parser) addTo(found *addresses, element *yaml.Node, what string, words []string) bool {
	text, ok := p.text(element, what)
	if !ok {
		return false
	}
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		address, ok := p.address(element, what)
		if ok {
			found.set[address] = true
		}
		return ok
	}
	account, isAccount := p.scope.accounts[text]
	list, isList := p.scope.lists[text]
	switch {
	case slices.Contains(words, text):
		found.words[text] = true
	case isAccount:
		found.set[account] = true
	case isList:
		if !p.mean(element, what, len(list)) {
			return false
		}
		for _, address := range list {
			found.set[address] = true
		}
	default:
		known := slices.Concat(names(p.scope.accounts), names(p.scope.lists), words)
		p.errorf(element, "%s: %s is neither an account, a list nor an address%s", what, quoted(text), didYouMean(text, known))
		return false
	}
	return true
}

// chains returns a set of chain ids: names or numbers.
func (p *parser) chains(node *yaml.Node, what string) (ids []uint64, text string, ok bool) {
	elements := p.list(node, what)
	ok = len(elements) > 0
	var texts []string
	for _, element := range elements {
		id, good := p.chain(element, what)
		if !good {
			ok = false
			continue
		}
		ids = append(ids, id)
		texts = append(texts, element.Value)
	}
	return ids, strings.Join(texts, ", "), ok
}

// chain returns one chain id.
func (p *parser) chain(node *yaml.Node, what string) (uint64, bool) {
	text, ok := p.text(node, what)
	if !ok {
		return 0, false
	}
	if id, known := p.scope.chains[text]; known {
		return id, true
	}
	if decimalForm.MatchString(text) {
		if id, err := strconv.ParseUint(text, 10, 64); err == nil && id > 0 {
			return id, true
		}
	}
	p.errorf(node, "%s: %s is neither a chain of this policy nor a chain id%s", what, quoted(text), didYouMean(text, names(p.scope.chains)))
	return 0, false
}

// tokens returns a set of tokens: declared ones, or addresses.
func (p *parser) tokens(node *yaml.Node, what string) (declared []token, undeclared []common.Address, text string, ok bool) {
	elements := p.list(node, what)
	ok = len(elements) > 0
	var texts []string
	for _, element := range elements {
		name, good := p.text(element, what)
		if !good || p.full() {
			ok = false
			continue
		}
		texts = append(texts, name)
		if strings.HasPrefix(name, "0x") {
			address, good := p.address(element, what)
			undeclared, ok = append(undeclared, address), ok && good
			continue
		}
		found, known := p.scope.tokens[name]
		if !known {
			p.errorf(element, "%s: %s is neither a token of this policy nor an address%s", what, quoted(name), didYouMean(name, names(p.scope.tokens)))
			ok = false
			continue
		}
		declared = append(declared, found)
	}
	return declared, undeclared, strings.Join(texts, ", "), ok
}
